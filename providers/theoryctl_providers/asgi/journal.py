"""The journal of a server: the requests that it has answered in mock mode, for whoever tests a client of it."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from starlette.types import Message, Receive, Scope

#: Requests that are kept, bytes of their bodies, and of one body.
MOST, MOST_BYTES, LONGEST = 500, 4 << 20, 256 << 10

#: Where the entry of a request is, for those that know more of it.
ENTRY = "theoryctl.entry"

#: Where the engine's word is left on who answered.
ANSWERED_BY = "theoryctl.answered_by"

#: Members of a body whose values are nobody's to read.
_CREDENTIALS = frozenset({"api_key", "apikey", "authorization", "headers", "extra_headers", "password", "x_api_key"})


@dataclass(slots=True)
class Entry:
    """One request. `status` is None until its answer begins; `body` is at most `LONGEST` bytes of it.

    `answered_by` is the rule of a script, the file of a recording or `mock`; None where the request was refused.
    """

    number: int
    time: float
    method: str
    path: str
    status: int | None = None
    run_id: str | None = None
    model: str | None = None
    mode: str | None = None
    code: str | None = None
    answered_by: str | None = None
    body: bytearray = field(default_factory=bytearray)

    def hear(self, receive: Receive) -> Receive:
        """Return a `receive` that keeps the beginning of the body."""

        async def heard() -> Message:
            message = await receive()
            self.body += message.get("body", b"")[: LONGEST - len(self.body)]
            return message

        return heard

    def note(self, scope: Scope, status: int | None) -> None:
        """Take over what is known by now."""
        facts = scope.get("theoryctl.facts", {})
        self.status, self.run_id = status, scope.get("theoryctl.run_id")
        self.model, self.mode, self.code = facts.get("model"), facts.get("mode"), facts.get("code")
        self.answered_by = scope.get(ANSWERED_BY)

    def document(self, redacted: Callable[[str], str]) -> dict[str, Any]:
        """The entry as JSON. Its body is a JSON value, or the text of one that is not JSON or was cut."""
        text = redacted(self.body.decode(errors="replace"))
        try:
            body = _without_credentials(json.loads(text)) if text else None
        except (ValueError, RecursionError):
            body = text
        return {**asdict(self), "body": body}


class Journal:
    """Keeps the newest entries, in the order in which their requests came."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._came = self._bytes = 0

    def __iter__(self) -> Iterator[Entry]:
        return iter([entry for entry in self._entries if entry.mode != "real"])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def dropped(self) -> int:
        """The number of requests that are kept no more."""
        return self._came - len(self._entries)

    def open(self, scope: Scope) -> Entry:
        """Begin the entry of a request."""
        self._came += 1
        entry = Entry(self._came, time.time(), scope["method"], scope["path"][:LONGEST])
        self._entries.append(entry)
        return entry

    def settle(self, entry: Entry) -> None:
        """Count a complete entry, without its body if it was real, and drop the oldest where there are too many."""
        if entry.mode == "real":
            entry.body.clear()
        self._bytes += len(entry.body)
        while len(self._entries) > MOST or (self._bytes > MOST_BYTES and len(self._entries) > 1):
            self._bytes -= len(self._entries.popleft().body)


def _without_credentials(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_credentials(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: f"[{name}]" if name.lower().replace("-", "_") in _CREDENTIALS else _without_credentials(item)
        for name, item in value.items()
    }
