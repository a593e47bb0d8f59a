"""Tools that a mock calls by itself: each that is offered once in a turn of the user, then an answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

#: Tools that hand in the answer, by their names: `submit`, smolagents' `final_answer`, pydantic-ai's `final_result`.
_FINAL = re.compile(r"(^|_)(submit|final|finish)(_|$)")


def next_tool(inputs: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the function to call now; None where all were called since the user spoke, or none may be.

    A tool that hands in the answer comes last. Some clients turn calls and their results into text, so that no message
    has a call: then each answer of the assistant counts as one.
    """
    choice = inputs.get("tool_choice")
    if choice not in (None, "auto", "required"):
        return None
    functions = _in_order(inputs.get("tools") or ())
    messages = inputs.get("messages") or ()
    if any(message.get("tool_calls") for message in messages):
        called = set(_called(_turn(messages)))
        return next((function for function in functions if function["name"] not in called), None)
    answers = sum(message.get("role") == "assistant" for message in messages)
    return functions[answers] if answers < len(functions) else None


def _in_order(tools: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found = [tool.get("function") for tool in tools]
    functions: list[Mapping[str, Any]] = [function for function in found if isinstance(function, Mapping)]
    return sorted(functions, key=lambda function: _FINAL.search(function["name"]) is not None)


def _turn(messages: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The messages since the user spoke. What a framework says in the user's name after a call is not the user."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].get("role") == "user" and not _follows_a_call(messages, index):
            return messages[index:]
    return messages


def _follows_a_call(messages: Sequence[Mapping[str, Any]], index: int) -> bool:
    """Return whether the assistant's last message has calls, and none that ended the turn by handing in the answer."""
    for at in range(index - 1, -1, -1):
        if messages[at].get("tool_calls"):
            return not any(map(_FINAL.search, _called([messages[at]])))
        if messages[at].get("role") == "assistant":
            return False
    return False


def _called(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for message in messages:
        yield from (call["function"]["name"] for call in message.get("tool_calls") or () if "function" in call)
