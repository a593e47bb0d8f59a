"""Calls of tools in scripts: arguments from a schema, custom tools, and rules that call each tool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REF, Cli
from tests.mocks.scripted import answers, failure, said, script
from theoryctl_providers import run
from theoryctl_providers.contract import Log, ProviderConfig, Request
from theoryctl_providers.engine.drive import drive
from theoryctl_providers.engine.execute import execute

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"enum": ["C", "F"]}},
    "required": ["city", "days", "unit"],
}


def tool(name: str, parameters: Any = WEATHER) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def asking(*tools: Any, text: str = 'The weather in "Forlì" for 3 days in F', **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "tools": tools, **more}


def call_of(inputs: Any, told: Any) -> Any:
    """The name and arguments of the first call."""
    outputs = run(inputs, script=told)["outputs"]
    (call,) = next(output["json"] for output in outputs if output["name"] == "tool_calls")
    return call["name"], call["arguments"]


def test_arguments_from_the_schema_fit_it_and_what_the_user_says() -> None:
    told = script(answers({"tool_calls": [{"name": "weather", "arguments": "from_schema"}]}))
    assert call_of(asking(tool("weather")), told) == ("weather", {"city": "Forlì", "days": 3, "unit": "F"})


def test_arguments_from_the_schema_of_a_tool_that_is_not_offered_are_a_miss() -> None:
    told = script(answers({"tool_calls": [{"name": "weather", "arguments": "from_schema"}]}))
    error, _ = failure(asking(tool("time")), told)
    assert error["code"] == "ERR_SCRIPT_MISS"
    assert "calls weather with arguments from_schema; expected it among the tools, got time" in error["message"]


def notes(inputs: Any, told: Any) -> list[str]:
    config = ProviderConfig(provider="litellm", script=told)
    found = drive(execute(Request(config=config, inputs=inputs, mode="mock")))
    return [event.message for event in found if isinstance(event, Log)]


def test_a_call_of_a_tool_that_is_not_offered_is_made_and_told() -> None:
    told = script(answers({"tool_calls": [{"name": "wether"}, {"name": "time"}]}, name="first"))
    assert notes(asking(tool("weather"), tool("time")), told) == [
        "rule 1 (first) of the script calls wether; expected a tool that the request offers, got weather, time"
    ]
    assert notes(asking(), told)[1].endswith("calls time; expected a tool that the request offers, got no tools")
    assert notes(asking(tool("wether"), tool("time")), told) == []
    assert notes(asking(), script(answers({"text": "Hi"}))) == []


def test_a_tool_that_is_not_offered_is_told_once_however_often_it_is_called() -> None:
    told = script(answers({"tool_calls": [{"name": "wether"}, {"name": "time"}, {"name": "wether"}]}))
    found = notes(asking(), told)
    assert [note.partition(";")[0].split()[-1] for note in found] == ["wether", "time"]


def test_local_run_tells_it_and_a_strict_script_does_not_refuse_it(cli: Cli, working_folder: Path) -> None:
    rule = "rules: [{answers: [{tool_calls: [{name: wether}]}]}]\nstrict: true\n"
    (working_folder / "calls.yaml").write_text(rule)
    ran = cli("local", "run", "--ref", REF, "--script", "calls.yaml", "--prompt", "Hi")
    assert (ran.status, ran.out) == (0, "wether {}\n")
    assert "rule 1 of the script calls wether; expected a tool that the request offers, got no tools" in ran.err


def test_a_custom_tool_gets_its_input_as_it_stands() -> None:
    told = script(answers({"tool_calls": [{"name": "run_sql", "input": "SELECT 1;"}]}))
    assert call_of(asking(), told) == ("run_sql", {"input": "SELECT 1;"})


def test_input_beside_arguments_is_refused() -> None:
    with pytest.raises(ValueError, match=r"tool_calls\[0\]\.input: expected input or arguments, got both"):
        script(answers({"tool_calls": [{"name": "f", "input": "a", "arguments": {"b": 1}}]}))


def after(inputs: dict[str, Any], *calls: str) -> dict[str, Any]:
    """The inputs once these tools were called."""
    made = [{"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}} for name in calls]
    told = [
        message
        for call in made
        for message in (
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call["id"], "content": "done"},
        )
    ]
    return {**inputs, "messages": [*inputs["messages"], *told]}


def test_a_rule_may_call_each_tool_before_it_answers() -> None:
    told = script(
        {
            "when": {"user": {"contains": "weather"}},
            "tools": "each",
            **answers({"text": "Sun."}, {"text": "Rain."}),
        },
        answers({"text": "Something else."}),
    )
    inputs = asking(tool("weather"), tool("time", {"type": "object"}))
    assert call_of(inputs, told) == ("weather", {"city": "Forlì", "days": 3, "unit": "F"})
    assert call_of(after(inputs, "weather"), told) == ("time", {})
    assert said(after(inputs, "weather", "time"), told) == "Sun."
    assert said(after(inputs, "weather", "time"), told) == "Rain."
    assert said(asking(tool("weather"), text="Hi"), told) == "Something else."


TURIN: dict[str, Any] = {"city": "Turin"}
CALL = {"tool_calls": [{"name": "weather", "arguments": TURIN}]}


def told_of(inputs: dict[str, Any], *arguments: str) -> dict[str, Any]:
    """The inputs once the weather was asked for with these arguments."""
    done = after(inputs, *["weather"] * len(arguments))
    made = [message["tool_calls"][0]["function"] for message in done["messages"] if "tool_calls" in message]
    for function, text in zip(made, arguments, strict=True):
        function["arguments"] = text
    return done


@pytest.mark.parametrize("arguments", [TURIN, '{"city":"Turin"}', "from_schema"], ids=["json", "text", "from_schema"])
def test_an_agent_ends_whose_rule_has_nothing_but_a_call(arguments: Any) -> None:
    inputs, told = (
        asking(tool("weather")),
        script(answers({"tool_calls": [{"name": "weather", "arguments": arguments}]})),
    )
    for _ in range(2):  # the next conversation calls it again
        assert call_of(inputs, told)[0] == "weather"
        assert said(told_of(inputs, '{"city": "Turin"}'), told).startswith("Mock answer")


def test_the_only_answer_of_a_rule_does_not_depend_on_how_often_it_was_given() -> None:
    assert said(told_of(asking(tool("weather")), '{"city": "Turin"}'), script(answers(CALL))).startswith("Mock answer")


def test_what_follows_a_call_may_be_a_rule_with_the_same_conditions() -> None:
    about = {"when": {"user": {"contains": "weather"}}}
    inputs, told = asking(tool("weather")), script({**about, **answers(CALL)}, {**about, **answers({"text": "Sun."})})
    assert call_of(inputs, told)[0] == "weather"
    assert said(told_of(inputs, '{"city": "Turin"}'), told) == "Sun."


def test_a_call_with_other_arguments_is_made_and_so_is_one_of_a_turn() -> None:
    inputs = asking(tool("weather"))
    for rule in (answers(CALL, CALL), answers(CALL)):
        assert call_of(told_of(inputs, '{"city": "Rome"}'), script(rule)) == ("weather", TURIN)
    told = script({"when": {"turn": 2}, **answers(CALL)})
    for _ in range(2):
        assert call_of(told_of(inputs, '{"city": "Turin"}'), told) == ("weather", TURIN)


def test_a_rule_that_says_repeat_calls_for_ever() -> None:
    told = script(answers(CALL, exhausted="repeat"))
    for calls in range(5):
        assert call_of(told_of(asking(tool("weather")), *['{"city": "Turin"}'] * calls), told) == ("weather", TURIN)


def test_a_strict_script_without_an_answer_after_its_call_says_so() -> None:
    told = script(answers(CALL), strict=True)
    error, _ = failure(told_of(asking(tool("weather")), '{"city": "Turin"}'), told)
    assert error["code"] == "ERR_SCRIPT_MISS" and "an answer that is left" in error["message"]


def test_a_rule_calls_no_tool_where_the_request_wants_none() -> None:
    told = script({"tools": "each", "answers": [{"text": "Sun."}]})
    assert said(asking(tool("weather"), tool_choice="none"), told) == "Sun."
