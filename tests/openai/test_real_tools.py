"""Tools that a client runs and that are no functions, before a real vendor, which knows functions alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import openai
import pytest

from tests.openai.test_client_tools import CHAT_CUSTOM, CHAT_WEATHER, CUSTOM, NAMESPACE, USER, WEATHER
from tests.providers.started import TOKEN, serving
from tests.real.conftest import LITELLM_WARNINGS
from tests.real.said import Said
from tests.real.server import Behaviour
from tests.real.vendor import Vendor
from tests.wires.conftest import litellm as litellm
from tests.wires.conftest import only_loopback as only_loopback
from tests.wires.conftest import real_config, tells

pytestmark = LITELLM_WARNINGS

MODEL = "gpt-4o-mini"
DONE = Said(text=("Done.",))
SHELL = [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]

streamed_or_not = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


class Asked:
    """A client of a real instance, and the vendor behind it, which says what a test tells it to."""

    def __init__(self, vendor: Vendor, client: openai.OpenAI) -> None:
        self._vendor, self.client = vendor, client
        self.says: Behaviour = tells(DONE)

    @property
    def body(self) -> dict[str, Any]:
        """That of the last request that the vendor got."""
        return self._vendor.requests[-1].body

    def functions(self) -> dict[str, Any]:
        """The functions that the vendor was offered, by name."""
        tools = self.body.get("tools", ())
        assert {tool["type"] for tool in tools} <= {"function"}
        return {tool["function"]["name"]: tool["function"] for tool in tools}

    def respond(self, streamed: bool, said: Said, **asked: Any) -> Any:
        """The response to a request whose vendor says this."""
        self.says = tells(said)
        told: dict[str, Any] = {"model": MODEL, **asked}
        if not streamed:
            return self.client.responses.create(**told)
        *_, last = self.client.responses.create(**told, stream=True)
        return last.response


@pytest.fixture(scope="module")
def running(litellm: Any) -> Iterator[Asked]:
    made: list[Asked] = []
    with (
        Vendor(lambda talk: made[0].says(talk)) as vendor,
        serving(real_config(vendor)) as (port, _),
        openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=TOKEN, max_retries=0) as client,
    ):
        made.append(Asked(vendor, client))
        yield made[0]


@pytest.fixture
def asked(running: Asked, only_loopback: set[tuple[str, int]]) -> Asked:
    return running


#: A tool, the function that it is for the vendor, the arguments of a call, what of them the client has in its item, and
#: what it answers.
TOOLS: Mapping[str, tuple[dict[str, Any], str, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "custom": (
        CUSTOM,
        "query",
        {"input": "SELECT 1"},
        {"type": "custom_tool_call", "name": "query", "input": "SELECT 1"},
        {"type": "custom_tool_call_output", "output": "found"},
    ),
    "namespace": (
        NAMESPACE,
        "crm__get_weather",
        {"city": "Forlì"},
        {"type": "function_call", "name": "get_weather", "namespace": "crm"},
        {"type": "function_call_output", "output": "found"},
    ),
    "shell": (
        {"type": "shell"},
        "shell",
        {"commands": ["ls"], "timeout_ms": 9},
        {"type": "shell_call", "action": {"commands": ["ls"], "timeout_ms": 9, "max_output_length": None}},
        {"type": "shell_call_output", "output": SHELL},
    ),
    "local_shell": (
        {"type": "local_shell"},
        "local_shell",
        {"command": ["ls", "-l"]},
        {"type": "local_shell_call", "action": {"type": "exec", "command": ["ls", "-l"], "env": {}}},
        {"type": "local_shell_call_output", "output": "found"},
    ),
    "apply_patch": (
        {"type": "apply_patch"},
        "apply_patch",
        {"type": "create_file", "path": "a", "diff": "+b"},
        {"type": "apply_patch_call", "operation": {"type": "create_file", "path": "a", "diff": "+b"}},
        {"type": "apply_patch_call_output", "status": "completed", "output": "found"},
    ),
}


@streamed_or_not
@pytest.mark.parametrize("kind", TOOLS)
def test_a_vendors_call_of_its_function_is_one_of_the_tool_and_goes_back(
    asked: Asked, kind: str, streamed: bool
) -> None:
    tool, function, arguments, expected, output = TOOLS[kind]
    response = asked.respond(streamed, Said(calls=[(function, arguments)]), input=[USER], tools=[tool])
    assert function in asked.functions()
    assert "tool_choice" not in asked.body
    (item,) = response.output
    told = item.to_dict()
    assert expected.items() <= told.items()
    if kind == "namespace":
        assert json.loads(told["arguments"]) == arguments
    result = {"id": told["call_id"], "call_id": told["call_id"], **output}
    answer = asked.respond(streamed, DONE, input=[USER, told, result], tools=[tool])
    assert answer.output_text == "Done."
    _, called, given = asked.body["messages"]
    (call,) = called["tool_calls"]
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == (function, arguments)
    assert (given["role"], given["tool_call_id"]) == ("tool", call["id"])
    assert "found" in given["content"] or json.loads(given["content"])[0]["stdout"] == "a"


@streamed_or_not
def test_a_grammar_reaches_the_vendor_in_the_description(asked: Asked, streamed: bool) -> None:
    asked.respond(streamed, DONE, input="x", tools=[CUSTOM])
    described = asked.functions()["query"]["description"]
    assert described.startswith("Ask the store.") and "start: WORD" in described


@streamed_or_not
@pytest.mark.parametrize("mode", ["auto", "required"])
def test_a_vendor_is_offered_only_the_tools_that_are_allowed(asked: Asked, mode: str, streamed: bool) -> None:
    allowed = {"type": "allowed_tools", "mode": mode, "tools": [{"type": "custom", "name": "query"}]}
    said = Said(calls=[("query", {"input": "a"})])
    response = asked.respond(streamed, said, input="x", tools=[WEATHER, CUSTOM], tool_choice=allowed)
    assert (list(asked.functions()), asked.body["tool_choice"]) == (["query"], mode)
    assert [item.type for item in response.output] == ["custom_tool_call"]


@streamed_or_not
def test_a_choice_of_a_custom_tool_is_one_of_its_function(asked: Asked, streamed: bool) -> None:
    choice = {"type": "custom", "name": "query"}
    asked.respond(
        streamed, Said(calls=[("query", {"input": "a"})]), input="x", tools=[WEATHER, CUSTOM], tool_choice=choice
    )
    assert asked.body["tool_choice"] == {"type": "function", "function": {"name": "query"}}


@streamed_or_not
def test_chat_completions_carry_custom_tools_too(asked: Asked, streamed: bool) -> None:
    asked.says = tells(Said(calls=[("query", {"input": "SELECT 1"})]))
    told: dict[str, Any] = {"model": MODEL, "messages": [USER], "tools": [CHAT_CUSTOM, CHAT_WEATHER]}
    if streamed:
        chunks: list[Any] = list(asked.client.chat.completions.create(**told, stream=True))
        (call,) = [call for chunk in chunks if chunk.choices for call in chunk.choices[0].delta.tool_calls or ()]
        call = {name: value for name, value in call.to_dict().items() if name != "index"}
    else:
        (call,) = [
            call.to_dict() for call in asked.client.chat.completions.create(**told).choices[0].message.tool_calls
        ]
    assert (call["type"], call["custom"]) == ("custom", {"name": "query", "input": "SELECT 1"})
    asked.says = tells(DONE)
    result = {"role": "tool", "tool_call_id": call["id"], "content": "found"}
    messages = [USER, {"role": "assistant", "tool_calls": [call]}, result]
    asked.client.chat.completions.create(**{**told, "messages": messages})
    function = asked.body["messages"][1]["tool_calls"][0]["function"]
    assert (function["name"], json.loads(function["arguments"])) == ("query", {"input": "SELECT 1"})
