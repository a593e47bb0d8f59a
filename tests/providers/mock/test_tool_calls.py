"""Calls of tools that a mock is made to make."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from tests.providers.mock.asking import CLOCK, WEATHER, ask, outputs


@pytest.mark.parametrize(
    ("choice", "name"),
    [("required", "get_weather"), ({"type": "function", "function": {"name": "get_time"}}, "get_time")],
)
def test_a_forced_tool_is_called_with_arguments_that_fit_its_schema(choice: Any, name: str) -> None:
    found = outputs(ask("Weather?", tools=[WEATHER, CLOCK], tool_choice=choice))
    (call,) = found["tool_calls"]
    assert call["name"] == name
    assert call["id"].startswith("call_")
    assert found["finish_reason"] == "tool_calls"
    if name == "get_weather":
        jsonschema_rs.validate(WEATHER["function"]["parameters"], call["arguments"])


def test_made_to_call_a_tool_in_each_step_it_calls_each_once_and_then_the_last_again() -> None:
    def calling(*names: str) -> dict[str, Any]:
        calls = [{"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}} for name in names]
        inputs = ask("Weather?", tools=[WEATHER, CLOCK], tool_choice="required")
        return {**inputs, "messages": [*inputs["messages"], {"role": "assistant", "tool_calls": calls}]}

    def called(inputs: dict[str, Any]) -> str:
        return str(outputs(inputs)["tool_calls"][0]["name"])

    assert called(calling("get_weather")) == "get_time"
    assert called(calling("get_weather", "get_time")) == "get_time"
    again = calling("get_weather")
    assert called({**again, "messages": [*again["messages"], {"role": "user", "content": "And now?"}]}) == "get_weather"


@pytest.mark.parametrize(
    ("parameters", "arguments"),
    [
        ({}, {}),
        ({"description": "None."}, {}),
        ({"properties": {"city": {"type": "string"}}}, {"city": "mock city"}),
    ],
    ids=str,
)
def test_arguments_are_an_object_though_a_schema_does_not_say_so(parameters: Any, arguments: Any) -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": parameters}}
    (call,) = outputs(ask("Weather?", tools=[tool], tool_choice="required"))["tool_calls"]
    assert call["arguments"] == arguments


@pytest.mark.parametrize("choice", [{}, {"tool_choice": "auto"}, {"tool_choice": "none"}], ids=str)
def test_a_tool_that_is_not_forced_is_not_called_so_that_agents_come_to_an_end(choice: dict[str, Any]) -> None:
    assert "tool_calls" not in outputs(ask("Weather?", tools=[WEATHER], **choice))
