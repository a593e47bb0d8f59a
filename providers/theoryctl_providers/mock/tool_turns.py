"""Tools that a mock calls by itself: each that is offered once in a turn of the user, then an answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from theoryctl_providers.inputs.functions import in_tools

#: Tools that hand in the answer, by a word of their names: `submit`, smolagents' `final_answer`, pydantic-ai's
#: `final_result`, and `FinalReport`, as a class that LangChain makes a tool of.
_FINAL = re.compile(
    r"((^|[_-])(submit|final|finish)|(^|[_-]|(?<=[a-z0-9]))(Submit|Final|Finish))(?=[A-Z_-]|$)", re.ASCII
)
#: The name of a tool where a client has written a call as text: `{'name': 'add', …}` (smolagents, memory.py),
#: `Action: add` (ReAct), `<invoke name="add">`, `<function=add>`.
_NAMED = re.compile(r"""\b(?:name|tool|tool_name|function|action)["']?\s*[:=]\s*["']?([\w.-]+)""", re.IGNORECASE)
#: The words of a mock, wherever a client has put them. They are no call.
_WORDS = re.compile(r"\bMock answer [0-9a-f]{8} from ")

Message = Mapping[str, Any]


def next_tool(inputs: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the function to call now; None where all were called since the user spoke, or none may be.

    A tool that hands in the answer comes last. Some clients turn calls and their results into text. Calls are found by
    the names in it; where it has none, each answer of the assistant that is not the mock's own words counts as a call.
    """
    inputs = in_tools(inputs)
    choice = inputs.get("tool_choice")
    if choice not in (None, "auto", "required"):
        return None
    functions = _in_order(inputs.get("tools") or ())
    talk = _talk(inputs, functions)
    if talk.names_calls:
        called = talk.called()
        return next((function for function in functions if function["name"] not in called), None)
    answers = talk.unnamed()
    return functions[answers] if answers < len(functions) else None


def calls_in_turn(inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the calls since the user spoke that are no text: the name of the tool, and the arguments."""
    inputs = in_tools(inputs)
    turn = _talk(inputs, _in_order(inputs.get("tools") or ())).turn()
    made = [call["function"] for message in turn for call in message.get("tool_calls") or () if "function" in call]
    return [(function["name"], function.get("arguments") or "") for function in made]


def _talk(inputs: Mapping[str, Any], functions: Sequence[Mapping[str, Any]]) -> _Talk:
    offered = [function["name"] for function in functions]
    return _Talk(inputs.get("messages") or (), offered, inputs.get("tool_choice") == "required")


def _in_order(tools: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found = [tool.get("function") for tool in tools]
    functions: list[Mapping[str, Any]] = [function for function in found if isinstance(function, Mapping)]
    return sorted(functions, key=lambda function: _FINAL.search(function["name"]) is not None)


class _Talk:
    """The calls of a conversation, and the ends of its turns."""

    def __init__(self, messages: Sequence[Message], offered: Sequence[str], required: bool) -> None:
        self._messages, self._offered, self._required = messages, frozenset(offered), required
        self._as_text = not any(message.get("tool_calls") for message in messages)
        assistants = [message for message in messages if message.get("role") == "assistant"]
        self.names_calls = not self._as_text or any(map(self._calls, assistants))

    def called(self) -> set[str]:
        """Return the tools called since the user spoke."""
        return {name for message in self.turn() for name in self._calls(message)}

    def turn(self) -> list[Message]:
        """Return the answers of the assistant since the user spoke."""
        turn, called, ended = list[Message](), set[str](), False
        for message in self._messages:
            if message.get("role") == "user" and ended:
                turn, called, ended = [], set(), False
            elif message.get("role") == "assistant":
                turn.append(message)
                calls = self._calls(message)
                called.update(calls)
                ended = self._ends(calls, called)
        return turn

    def unnamed(self) -> int:
        """Count the answers of the assistant that may have been calls."""
        assistants = (message for message in self._messages if message.get("role") == "assistant")
        return sum(_WORDS.search(_text(message)) is None for message in assistants)

    def _calls(self, message: Message) -> list[str]:
        if self._as_text:
            return [name for name in _NAMED.findall(_text(message)) if name in self._offered]
        return [call["function"]["name"] for call in message.get("tool_calls") or () if "function" in call]

    def _ends(self, calls: Iterable[str], called: set[str]) -> bool:
        """Return whether what the user says after this message begins a turn.

        After a call it is what a framework says in the user's name. But an answer may be handed in by a tool of any
        name: then all are called, and another call is required, which nobody could give.
        """
        if any(map(_FINAL.search, calls)):
            return True
        is_complete = called >= self._offered
        if calls:
            return self._required and is_complete
        # Where calls are text, words may be the plan of what to call (smolagents' `planning_interval`).
        return is_complete or not self._as_text


def _text(message: Message) -> str:
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"text": content}]
    return " ".join(str(part.get("text") or "") for part in parts if isinstance(part, Mapping))
