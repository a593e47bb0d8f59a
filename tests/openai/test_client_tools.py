"""Tools that a client runs and that are no functions, by OpenAI's own client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.providers.started import CONFIG, TOKEN, Answer, serving
from tests.wires.asked import by_local_run
from tests.wires.conftest import Instance, scripted

MODEL = "gpt-4o-mini"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: dict[str, Any] = {"type": "function", "name": "get_weather", "parameters": SCHEMA}
CUSTOM: dict[str, Any] = {
    "type": "custom",
    "name": "query",
    "description": "Ask the store.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: WORD"},
}
NAMESPACE: dict[str, Any] = {
    "type": "namespace",
    "name": "crm",
    "description": "Customers.",
    "tools": [WEATHER, {"type": "custom", "name": "note"}],
}
CHAT_CUSTOM: dict[str, Any] = {"type": "custom", "custom": {"name": "query", "description": "Ask the store."}}
CHAT_WEATHER: dict[str, Any] = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
USER: dict[str, Any] = {"role": "user", "content": "x"}
#: A request of the Codex CLI 0.169.0, `codex exec "Say hello."`; its texts are cut, its ids replaced.
CODEX = Path(__file__).parent / "codex_request.json"


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with serving(CONFIG) as (port, _):
        yield Instance(port)


@pytest.fixture(scope="module")
def client(instance: Instance) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{instance.url}/v1", api_key=TOKEN, max_retries=0) as client:
        yield client


def called(client: openai.OpenAI, tool: dict[str, Any], **more: Any) -> Any:
    """The only item of an answer that has to call this tool, which is the same whole and in pieces."""
    asked: dict[str, Any] = {"model": MODEL, "input": [USER], "tools": [tool], "tool_choice": "required", **more}
    (item,) = client.responses.create(**asked).output
    *_, last = client.responses.create(**asked, stream=True)
    with client.responses.stream(**asked) as stream:
        (streamed,) = stream.get_final_response().output
    assert last.type == "response.completed"
    assert last.response.output[0].to_dict() == item.to_dict()
    assert (streamed.type, streamed.id) == (item.type, item.id)
    return item


def answered(client: openai.OpenAI, tool: dict[str, Any], item: Any, output: dict[str, Any]) -> str:
    """The words of the answer to what a tool gave."""
    items: list[Any] = [USER, item.to_dict(), output]
    return str(client.responses.create(model=MODEL, input=items, tools=[tool]).output_text)


def test_a_custom_tool_is_called_with_a_text_and_answered(client: openai.OpenAI) -> None:
    item = called(client, CUSTOM)
    assert (item.type, item.name) == ("custom_tool_call", "query")
    assert isinstance(item.input, str) and item.input
    output = {"type": "custom_tool_call_output", "call_id": item.call_id, "output": "found"}
    assert "Mock answer" in answered(client, CUSTOM, item, output)


def test_a_custom_tools_input_is_streamed(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": MODEL, "input": "x", "tools": [CUSTOM], "tool_choice": "required"}
    events: list[Any] = list(client.responses.create(**asked, stream=True))
    said = "".join(event.delta for event in events if event.type == "response.custom_tool_call_input.delta")
    (end,) = [event for event in events if event.type == "response.custom_tool_call_input.done"]
    assert said == end.input == events[-1].response.output[0].input


@pytest.mark.parametrize(
    ("kind", "output"),
    [
        ("shell", {"output": [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]}),
        ("local_shell", {"output": "a"}),
        ("apply_patch", {"status": "completed", "output": "done"}),
    ],
)
def test_a_shell_or_a_patch_is_called_and_answered(client: openai.OpenAI, kind: str, output: dict[str, Any]) -> None:
    tool = {"type": kind}
    item = called(client, tool)
    assert item.type == f"{kind}_call"
    facts = item.to_dict().get("action") or item.to_dict()["operation"]
    assert facts.get("commands") or facts.get("command") or facts.get("path")
    result = {"type": f"{kind}_call_output", "id": item.call_id, "call_id": item.call_id, **output}
    assert "Mock answer" in answered(client, tool, item, result)


def test_a_model_is_told_the_skills_of_a_shell(client: openai.OpenAI) -> None:
    skill = {"name": "lint", "description": "Find faults.", "path": "/skills/lint"}
    told: Any = [{"type": "shell", "environment": {"type": "local", "skills": skills}} for skills in ([], [skill])]
    texts = [client.responses.create(model=MODEL, input="x", tools=[tool]).output_text for tool in told]
    assert texts[0] == client.responses.create(model=MODEL, input="x", tools=[{"type": "shell"}]).output_text
    assert texts[0] != texts[1]  # a mock's words come from all that a model gets


@pytest.mark.parametrize("tool", [{**CHAT_CUSTOM, "name": "x"}, {"type": "custom", "custom": {"nam": "x"}}], ids=str)
def test_chat_completions_name_a_key_that_a_custom_tool_does_not_have(client: openai.OpenAI, tool: Any) -> None:
    with pytest.raises(openai.BadRequestError, match="unknown key") as caught:
        client.chat.completions.create(model=MODEL, messages=[USER], tools=[tool])
    assert caught.value.param in ("tools[0].name", "tools[0].custom.nam")


def test_a_tool_in_a_namespace_is_called_by_both_names(client: openai.OpenAI) -> None:
    item = called(client, NAMESPACE)
    assert (item.type, item.name, item.namespace) == ("function_call", "get_weather", "crm")
    assert list(json.loads(item.arguments)) == ["city"]
    output = {"type": "function_call_output", "call_id": item.call_id, "output": "sunny"}
    assert "Mock answer" in answered(client, NAMESPACE, item, output)
    noted = called(client, NAMESPACE, tool_choice={"type": "custom", "name": "note"})
    assert (noted.type, noted.name, noted.namespace) == ("custom_tool_call", "note", "crm")


def test_a_namespace_may_have_a_long_name(client: openai.OpenAI) -> None:
    item = called(client, {**NAMESPACE, "name": "a.long.name" * 9})
    assert (item.name, item.namespace) == ("get_weather", "a.long.name" * 9)


def test_only_tools_that_are_allowed_are_called(client: openai.OpenAI) -> None:
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "custom", "name": "query"}]}
    asked: dict[str, Any] = {"model": MODEL, "input": "x", "tools": [WEATHER, CUSTOM]}
    (item,) = client.responses.create(**asked, tool_choice=allowed).output
    assert item.type == "custom_tool_call"
    auto = client.responses.create(**asked, tool_choice={**allowed, "mode": "auto"})
    assert "Mock answer" in auto.output_text


def the_call(client: openai.OpenAI, asked: dict[str, Any]) -> Any:
    """The only call of a completion."""
    (call,) = client.chat.completions.create(**asked).choices[0].message.tool_calls
    return call


def test_chat_completions_call_custom_tools_whole_and_streamed(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": MODEL, "messages": [USER], "tools": [CHAT_CUSTOM, CHAT_WEATHER]}
    asked["tool_choice"] = {"type": "custom", "custom": {"name": "query"}}
    call = the_call(client, asked)
    assert call.type == "custom"
    assert call.custom.name == "query" and call.custom.input
    chunks: list[Any] = list(client.chat.completions.create(**asked, stream=True))
    (piece,) = [delta for chunk in chunks for delta in chunk.choices[0].delta.tool_calls or ()]
    assert {**piece.to_dict(), "index": None} == {**call.to_dict(), "index": None}
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    result = {"role": "tool", "tool_call_id": call.id, "content": "found"}
    messages: list[Any] = [USER, {"role": "assistant", "tool_calls": [call.to_dict()]}, result]
    assert (
        client.chat.completions.create(model=MODEL, messages=messages, tools=[CHAT_CUSTOM]).choices[0].message.content
    )


def test_chat_completions_narrow_the_tools_to_those_allowed(client: openai.OpenAI) -> None:
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "get_weather"}}]}
    choice: Any = {"type": "allowed_tools", "allowed_tools": allowed}
    asked: dict[str, Any] = {"model": MODEL, "messages": [USER], "tools": [CHAT_CUSTOM, CHAT_WEATHER]}
    call = the_call(client, {**asked, "tool_choice": choice})
    assert call.type == "function" and call.function.name == "get_weather"
    inputs = {"model": f"openai/{MODEL}", "messages": [USER], "tools": [CHAT_WEATHER], "tool_choice": "required"}
    (same,) = by_local_run(inputs)["tool_calls"]["json"]
    assert (call.id, json.loads(call.function.arguments)) == (same["id"], same["arguments"])


def test_what_is_about_the_client_or_about_openais_tools_changes_nothing(instance: Instance) -> None:
    body = {"model": MODEL, "input": "x"}
    told = ask(instance, {**body, "client_metadata": {"a": "b"}, "max_tool_calls": 2}).document
    assert told.pop("max_tool_calls") == 2
    assert told == ask(instance, body).document


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"tools": [{"type": "computer"}]}, "tools[0]"),
        ({"tools": [{"type": "custom"}]}, "tools[0].name"),
        ({"tools": [{**CUSTOM, "descripton": "x"}]}, "tools[0].descripton"),
        ({"tools": [{**CUSTOM, "format": {"type": "gramar"}}]}, "tools[0].format.type"),
        ({"tools": [{**CUSTOM, "format": {"type": "grammar", "syntax": "ebnf"}}]}, "tools[0].format.syntax"),
        ({"tools": [{**CUSTOM, "format": {"type": "grammar", "syntax": "lark"}}]}, "tools[0].format.definition"),
        ({"tools": [{**NAMESPACE, "tool": []}]}, "tools[0].tool"),
        ({"tools": [{"type": "shell", "enviroment": {}}]}, "tools[0].enviroment"),
        ({"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]}, "tools[0].environment"),
        ({"tools": [{"type": "apply_patch", "environment": {"type": "local"}}]}, "tools[0].environment"),
        ({"tools": [{"type": "shell"}, {"type": "shell"}]}, "tools[1]"),
        ({"tools": [{**NAMESPACE, "tools": [{"type": "shell"}]}]}, "tools[0].tools[0]"),
        ({"tools": [{**NAMESPACE, "tools": [{**WEATHER, "parameters": 5}]}]}, "tools[0].tools[0].parameters"),
        ({"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "tools": []}}, "tool_choice.mode"),
        (
            {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [CUSTOM]}},
            "tool_choice.tools[0]",
        ),
        ({"input": [{"type": "shell_call", "call_id": "c"}]}, "input[0].action"),
        ({"input": [{"type": "custom_tool_call", "call_id": "c", "name": "x"}]}, "input[0].input"),
        ({"max_tool_calls": 0}, "max_tool_calls"),
        ({"client_metadata": 5}, "client_metadata"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_tool_is_named_as_it_was_sent(instance: Instance, asked: dict[str, Any], param: str) -> None:
    answer = ask(instance, {"model": MODEL, "input": "x", **asked})
    assert (answer.status, answer.error["param"]) == (400, param)


def test_a_request_of_the_codex_cli_is_answered(instance: Instance) -> None:
    answer = ask(instance, json.loads(CODEX.read_text()))
    assert (answer.status, b"event: response.completed" in answer.body) == (200, True)


def ask(instance: Instance, body: dict[str, Any]) -> Answer:
    return instance.ask("/v1/responses", body, authorization=f"Bearer {TOKEN}")


SCRIPT = {"rules": [{"answers": [{"tool_calls": [{"name": "query", "input": "SELECT 1;"}]}]}]}


def test_a_script_calls_a_custom_tool_with_its_input_in_both_apis() -> None:
    with serving(scripted(SCRIPT)) as (port, _), client_of(port) as client:
        assert called(client, CUSTOM).input == "SELECT 1;"
        asked: dict[str, Any] = {"model": MODEL, "messages": [USER], "tools": [CHAT_CUSTOM]}
        (call,) = client.chat.completions.create(**asked).choices[0].message.tool_calls
        assert (call.type, call.custom.name, call.custom.input) == ("custom", "query", "SELECT 1;")


def client_of(port: int) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=TOKEN, max_retries=0)
