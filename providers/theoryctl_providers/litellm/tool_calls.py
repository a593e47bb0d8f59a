"""Tool calls put together from pieces that vendors number, name and identify as they please."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from theoryctl_providers.contract import ToolCallDelta, dumps
from theoryctl_providers.contract.json_text import is_json
from theoryctl_providers.litellm.parts import in_json


@dataclass(slots=True)
class _Held:
    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    extra_content: Mapping[str, Any] | None = None
    is_told: bool = field(default=False)

    @property
    def is_whole(self) -> bool:
        """Return whether the arguments are JSON, or were never begun."""
        return is_json(self.arguments or "{}")


class ToolCalls:
    """The calls of one choice, numbered from 0 in the order in which they begin.

    `first_id` is the number in the first id that is made here: vendors are seen that give none, and a conversation
    with two calls of the same id is refused by others.
    """

    def __init__(self, first_id: int) -> None:
        self._first_id = first_id
        self._calls: list[_Held] = []
        self._by_number: dict[Any, _Held] = {}

    def __bool__(self) -> bool:
        return bool(self._calls)

    def feed(self, piece: Mapping[str, Any]) -> Iterator[ToolCallDelta]:
        """Take in one piece of a vendor's `tool_calls`; yield what it adds, once the call has a name."""
        function = piece.get("function")
        function = function if isinstance(function, Mapping) else {}
        name, call_id = _text(function.get("name")), _text(piece.get("id"))
        held = self._call_of(piece.get("index"), call_id, name)
        arguments = _arguments(function.get("arguments"))
        held.arguments += arguments
        if isinstance(piece.get("extra_content"), Mapping):
            held.extra_content = in_json(piece["extra_content"])
        if held.is_told:
            if arguments:
                yield ToolCallDelta(held.index, arguments)
        elif held.name:
            held.is_told = True
            held.id = held.id or f"call_{self._first_id + held.index}"
            yield ToolCallDelta(held.index, held.arguments, held.id, held.name, held.extra_content)

    def unreadable(self) -> str | None:
        """Say why a call cannot be made, of the first one that cannot."""
        for call in self._calls:
            if not call.name:
                return "holds a tool call without a name"
            if not call.is_whole:
                return f"calls {call.name} with arguments that are no JSON"
        return None

    def _call_of(self, number: Any, call_id: str, name: str) -> _Held:
        held = self._by_number.get(number) if number is not None else (self._calls[-1] if self._calls else None)
        if held is None or _begins_another(held, number, call_id, name):
            held = _Held(len(self._calls))
            self._calls.append(held)
        self._by_number[number] = held
        held.id, held.name = held.id or call_id, held.name or name
        return held


def _begins_another(held: _Held, number: Any, call_id: str, name: str) -> bool:
    """Return whether a piece is of another call than the one that is held under its number.

    A piece without a name continues the call: nobody could make one of it alone.
    """
    if not name or not held.name:
        return False
    if call_id and held.id and call_id != held.id:
        return True
    is_new = call_id != held.id or not call_id
    return is_new and held.is_whole and (bool(held.arguments) or number is None)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _arguments(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else dumps(value)
