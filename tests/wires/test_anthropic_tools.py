"""Tools of Anthropic's API: those of its client's own agent, and those that it knows by their type."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic import beta_tool
from anthropic.tools import BetaLocalFilesystemMemoryTool

from tests.wires.conftest import Instance, scripted
from tests.wires.test_anthropic import ASK, client_of, create, post
from theoryctl_providers.contract import ProviderError
from theoryctl_providers.wires.anthropic.tools import tools_of

ASKED: Any = {**ASK, "messages": [{"role": "user", "content": 'Add 2 and 40, and tell the weather in "Turin".'}]}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_anthropics_own_agent_runs_each_of_its_tools_once_and_ends(streamed: bool) -> None:
    ran: list[Any] = []

    @beta_tool
    def add(a: int, b: int) -> str:
        """Add two numbers."""
        ran.append((a, b))
        return str(a + b)

    @beta_tool
    def weather(city: str) -> str:
        """Tell the weather."""
        ran.append(city)
        return "sunny"

    with client_of(scripted({"tools": "each"})) as client:
        last: Any = client.beta.messages.tool_runner(**ASKED, tools=[add, weather], stream=streamed).until_done()
    assert ran == [(2, 40), "Turin"]
    assert (last.stop_reason, last.content[0].text.startswith("Mock answer")) == ("end_turn", True)


def test_the_memory_of_anthropics_client_is_read_as_its_agent_is_told(tmp_path: Any) -> None:
    memory = BetaLocalFilesystemMemoryTool(base_path=str(tmp_path))
    call = {"name": "memory", "arguments": {"command": "create", "path": "/memories/a.md", "file_text": "Hi."}}
    script = {"rules": [{"exhausted": "skip", "answers": [{"tool_calls": [call]}]}]}
    with client_of(scripted(script)) as client:
        client.beta.messages.tool_runner(**ASKED, tools=[memory]).until_done()
    assert (tmp_path / "memories/a.md").read_text() == "Hi."


@pytest.mark.parametrize(
    ("tool", "first"),
    [
        ({"type": "bash_20250124", "name": "bash"}, ("command", "mock command")),
        ({"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"}, ("command", "view")),
        ({"type": "memory_20250818", "name": "memory"}, ("command", "view")),
        ({"type": "computer_20251124", "name": "computer", "display_width_px": 800}, ("action", "screenshot")),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_a_tool_that_is_known_by_its_type_is_called_with_its_arguments(tool: Any, first: tuple[str, str]) -> None:
    with client_of() as client:
        (call,) = create(client, tools=[tool], tool_choice={"type": "tool", "name": tool["name"]}).content
    assert call.name == tool["name"]
    assert next(iter(call.input.items())) == first


@pytest.mark.parametrize("kind", ["web_search_20250305", "computer_toolset_20260801", "bash", ["bash_20250124"]])
def test_a_tool_that_no_function_stands_for_is_refused(kind: Any) -> None:
    with pytest.raises(ProviderError, match="has no counterpart in other vendors' APIs") as caught:
        tools_of([{"type": kind, "name": "it"}])
    assert (caught.value.code, caught.value.param) == ("ERR_UNSUPPORTED_PARAM", "tools[0]")


def test_a_description_tells_what_a_function_has_no_place_for() -> None:
    beside = {"allowed_callers": ["direct"], "defer_loading": False, "input_examples": [{"city": "Turin"}]}
    screen = {"type": "computer_20250124", "name": "computer", "display_width_px": 800, "display_height_px": 600}
    found = tools_of([{"name": "it", "description": "Does.", "input_schema": {}, **beside}, screen])
    told = [tool["function"]["description"] for tool in found]
    assert told[0] == 'Does.\n\nExamples of its input: [{"city": "Turin"}]'
    assert told[1].endswith("(display_width_px: 800, display_height_px: 600)")
    assert {*found[0]["function"]} == {"name", "description", "parameters"}


def test_a_thread_is_refused_with_the_code_that_clients_know(instance: Instance) -> None:
    answer = post(instance, {**ASK, "thread": {"type": "create"}})
    error = answer.document["error"]
    assert (answer.status, error["type"]) == (400, "invalid_request_error")
    assert error["details"] == {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
