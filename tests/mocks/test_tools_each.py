"""`tools: each`: a mock that calls each tool once in a turn, then answers; and fuller instances of schemas."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Cli
from theoryctl_providers import Script, run

EACH = {"tools": "each"}


def tool(name: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": properties}},
    }


def calls_of(inputs: dict[str, Any], script: dict[str, Any] | None = None) -> list[Any]:
    """The calls of one answer."""
    outputs = run(inputs, script=Script.load(EACH if script is None else script))["outputs"]
    return next((output["json"] for output in outputs if output["name"] == "tool_calls"), [])


def as_messages(calls: list[Any]) -> list[dict[str, Any]]:
    """The turn of an agent that has run the calls."""
    said = [
        {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": "{}"}} for call in calls
    ]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "done"} for call in calls]
    return [{"role": "assistant", "content": None, "tool_calls": said}, *results]


def all_calls(inputs: dict[str, Any]) -> list[str]:
    """The names of the calls until an answer in words, or a tool that is called too often."""
    inputs, names = {**inputs, "messages": [*inputs["messages"]]}, list[str]()
    while len(names) < 9 and (calls := calls_of(inputs)):
        names += [call["name"] for call in calls]
        inputs["messages"] += as_messages(calls)
    return names


@pytest.mark.parametrize("choice", ["auto", "required"])
def test_each_tool_is_called_once_and_the_one_that_hands_in_the_answer_last(choice: str) -> None:
    tools = [tool("final_answer"), tool("add"), tool("weather")]
    asked = {"messages": [{"role": "user", "content": "Hi"}], "tools": tools, "tool_choice": choice}
    assert all_calls(asked) == ["add", "weather", "final_answer"]


def test_the_next_turn_of_the_user_calls_each_tool_again() -> None:
    first = {"role": "user", "content": "Hi"}
    done = [*as_messages([{"id": "1", "name": "add"}]), {"role": "assistant", "content": "2"}]
    assert all_calls({"messages": [first, *done, {"role": "user", "content": "And?"}], "tools": [tool("add")]}) == [
        "add"
    ]


def test_what_the_user_says_after_the_answer_was_handed_in_begins_a_turn() -> None:
    done = [*as_messages([{"id": "1", "name": "add"}]), *as_messages([{"id": "2", "name": "final_result"}])]
    said = [{"role": "user", "content": "Hi"}, *done, {"role": "user", "content": "And?"}]
    assert all_calls({"messages": said, "tools": [tool("add"), tool("final_result")]}) == ["add", "final_result"]


@pytest.mark.parametrize(
    ("name", "hands_in"),
    [
        *[(name, True) for name in ("submit", "submit_answer", "FinalReport", "finalAnswer", "do-finish", "doSubmit")],
        *[(name, False) for name in ("semifinal", "semifinal_result", "Finalists", "resubmit", "finished")],
    ],
)
def test_a_tool_hands_in_the_answer_if_a_whole_word_of_its_name_says_so(name: str, hands_in: bool) -> None:
    said = [{"role": "user", "content": "Hi"}]
    assert all_calls({"messages": said, "tools": [tool(name), tool("add")]}) == (
        ["add", name] if hands_in else [name, "add"]
    )
    done = [*as_messages([{"id": "1", "name": "add"}]), *as_messages([{"id": "2", "name": name}])]
    again = [*said, *done, {"role": "user", "content": "And?"}]
    assert all_calls({"messages": again, "tools": [tool("add"), tool(name)]}) == (["add", name] if hands_in else [])


def test_what_a_framework_says_in_the_users_name_after_a_call_begins_no_turn() -> None:
    done = as_messages([{"id": "1", "name": "add"}])
    said = [{"role": "user", "content": "Hi"}, *done, {"role": "user", "content": "Look at the result."}]
    assert all_calls({"messages": said, "tools": [tool("add")]}) == []


def test_an_agent_that_turns_calls_into_text_ends_too() -> None:
    messages, tools = [{"role": "user", "content": "Hi"}], [tool("add"), tool("weather")]
    for name in ("add", "weather"):
        assert [call["name"] for call in calls_of({"messages": messages, "tools": tools})] == [name]
        messages += [{"role": "assistant", "content": f"I call {name}"}, {"role": "user", "content": "Observation: 2"}]
    assert calls_of({"messages": messages, "tools": tools}) == []


def as_text(name: str) -> list[dict[str, Any]]:
    """The turn of an agent whose client writes a call and its result as text, as smolagents does."""
    said = str([{"id": "call_1", "type": "function", "function": {"name": name, "arguments": {"city": "add"}}}])
    return [
        {"role": "assistant", "content": [{"type": "text", "text": f"Calling tools:\n{said}"}]},
        {"role": "user", "content": "Observation: 2"},
    ]


def plan(words: str) -> list[dict[str, Any]]:
    said = f'Here is my plan:\nMock answer 78044fb9 from openai/gpt-4o-mini to: "{words}"'
    return [{"role": "assistant", "content": said}, {"role": "user", "content": "Now carry out this plan."}]


@pytest.mark.parametrize("offered", [["add", "weather", "final_answer"], ["add", "weather"]])
def test_a_plan_before_or_between_calls_that_became_text_neither_counts_as_a_call_nor_begins_a_turn(
    offered: list[str],
) -> None:
    messages, tools = [{"role": "user", "content": "Hi"}], [tool(name) for name in offered]
    for name in offered:
        messages += plan("Hi" if name == "add" else "Observation: 2")
        assert [call["name"] for call in calls_of({"messages": messages, "tools": tools})] == [name]
        messages += as_text(name)
    messages += [] if "final_answer" in offered else [{"role": "assistant", "content": "Both are done."}]
    messages += [{"role": "user", "content": "And now?"}, *plan("And now?")]
    assert [call["name"] for call in calls_of({"messages": messages, "tools": tools})] == ["add"]


@pytest.mark.parametrize(
    "said", ["Thought: x\nAction: add\nAction Input: {}", '<invoke name="add">', "<function=add>{}</function>"]
)
def test_a_call_is_found_in_the_forms_in_which_clients_write_it(said: str) -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Gladly."}]
    messages += [{"role": "user", "content": "Then do"}, {"role": "assistant", "content": said}]
    asked = {"messages": [*messages, {"role": "user", "content": "2"}], "tools": [tool("add"), tool("weather")]}
    assert [call["name"] for call in calls_of(asked)] == ["weather"]


def test_an_answer_that_a_tool_of_any_name_handed_in_ends_the_turn_where_calls_are_required() -> None:
    tools = [tool("add"), tool("Report")]
    messages = [{"role": "user", "content": "Hi"}, *as_messages([{"id": "1", "name": "add"}])]
    messages += [*as_messages([{"id": "2", "name": "Report"}]), {"role": "user", "content": "And Rome?"}]
    assert all_calls({"messages": messages, "tools": tools, "tool_choice": "required"}) == ["add", "Report"]
    assert all_calls({"messages": messages, "tools": tools}) == []


def test_without_it_no_tool_is_called_that_need_not_be() -> None:
    asked = {"messages": [{"role": "user", "content": "Hi"}], "tools": [tool("add")]}
    assert calls_of(asked, {"tools": "none"}) == []
    assert [output["name"] for output in run(asked)["outputs"]] == ["answer", "finish_reason"]


def test_arguments_take_what_the_user_says() -> None:
    said = 'Mail "Good news" and 3 copies at 2.5 to ada@example.org, and https://example.net/a, on 2025-03-04, Turin.'
    offered = tool(
        "mail",
        to={"type": "string", "format": "email"},
        link={"type": "string"},
        due_date={"type": "string"},
        text={"type": "string"},
        copies={"type": "integer"},
        price={"type": "number"},
        city={"enum": ["Rome", "Turin"]},
        more={"type": "string"},
    )
    [call] = calls_of({"messages": [{"role": "user", "content": said}], "tools": [offered]})
    assert call["arguments"] == {
        "to": "ada@example.org",
        "link": "https://example.net/a",
        "due_date": "2025-03-04",
        "text": "Good news",
        "copies": 3,
        "price": 2.5,
        "city": "Turin",
        "more": "mock more",
    }


def test_the_flag_calls_each_tool_and_refuses_other_words(cli: Cli) -> None:
    asked = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "tools": [tool("add")]})
    outputs = cli("local", "run", "--tools", "each", "--inputs-json", asked, "--json").document["outputs"]
    assert [output["name"] for output in outputs] == ["finish_reason", "tool_calls"]
    assert cli("local", "run", "--tools", "all", "--inputs-json", asked).status == 2


def answer_to(schema: Any, **script: Any) -> Any:
    """The mock's answer to a request for a schema."""
    wanted = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}
    asked = {"messages": [{"role": "user", "content": "x"}], "response_format": wanted}
    outputs = run(asked, script=Script.load(script) if script else None)["outputs"]
    return next(output["json"] for output in outputs if output["name"] == "answer")


PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "integer"}},
        "boss": {"$ref": "#"},
        "team": {"type": "array", "items": {"$ref": "#"}},
    },
    "required": ["name"],
}


def test_optional_properties_are_filled_but_for_recursion() -> None:
    assert answer_to(PERSON) == {"name": "mock name", "tags": [0]}


def test_mock_version_1_leaves_optional_properties_out() -> None:
    assert answer_to(PERSON, mock_version=1) == {"name": "mock name"}


@pytest.mark.parametrize("then", ["required", "properties"])
def test_plain_if_and_then_are_met(then: str) -> None:
    schema = {
        "type": "object",
        "properties": {"kind": {"enum": ["a", "b"]}, "x": {"type": "string"}},
        "required": ["kind"],
        "if": {"properties": {"kind": {"const": "a"}}},
        "then": {"required": ["x"]} if then == "required" else {"properties": {"x": {"const": "y"}}},
        "else": {"required": ["kind"]},
    }
    answer = answer_to(schema)
    assert answer["kind"] == "a"
    assert answer["x"] == ("mock x" if then == "required" else "y")


def test_a_schema_in_the_prompt_is_met_in_json_mode() -> None:
    said = 'Answer with JSON like {"type": "object", "properties": {"sum": {"type": "integer"}}}. What is {1, 2}?'
    asked = {"messages": [{"role": "user", "content": said}], "response_format": {"type": "json_object"}}
    assert run(asked)["outputs"][0]["json"] == {"sum": 0}
