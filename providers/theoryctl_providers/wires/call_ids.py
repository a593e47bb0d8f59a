"""Ids of tool calls for APIs whose clients send none: a result is found by the name of its tool, or by its place."""

from __future__ import annotations

from typing import Any


class CallIds:
    """The ids of one conversation's calls, in their order."""

    def __init__(self) -> None:
        #: Calls that have no result yet: id and name.
        self._open: list[tuple[str, Any]] = []
        self._count = 0

    def called(self, name: Any, given: Any = None) -> str:
        """The id of a call: the one that was given, or else one that is made."""
        made, self._count = f"call_{self._count}", self._count + 1
        call_id = given if isinstance(given, str) and given else made
        self._open.append((call_id, name))
        return call_id

    def answered(self, name: Any, given: Any = None) -> str:
        """The id of the call that a result is of: the first one without a result, of that name where it has one."""
        if isinstance(given, str) and given:
            return given
        for index, (call_id, called) in enumerate(self._open):
            if name in (None, called):
                del self._open[index]
                return call_id
        return f"call_{name}" if name else "call"
