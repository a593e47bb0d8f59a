"""The journal of a server: the requests that it has answered in mock mode, for whoever tests a client of it."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from starlette.types import Message, Receive, Scope

from theoryctl_providers.contract import ProviderError
from theoryctl_providers.contract.json_text import cut, loads

#: Requests that are kept, bytes of their bodies, and of one body.
MOST, MOST_BYTES, LONGEST = 500, 4 << 20, 256 << 10

#: Where the entry of a request is, for the engine's caller: it knows the mode before anything is answered.
ENTRY = "theoryctl.entry"

#: Where the engine's word is left on who answered, and on what is odd about that answer.
ANSWERED_BY, NOTES = "theoryctl.answered_by", "theoryctl.notes"

#: Members of a body whose texts are nobody's to read, and those of which not even the names inside are.
_CREDENTIALS = (
    *("access_token", "api_key", "apikey", "authorization", "aws_access_key_id", "aws_secret_access_key"),
    *("aws_session_token", "azure_ad_token", "client_secret", "password", "private_key", "refresh_token"),
    *("x_api_key", "x_goog_api_key"),
)
_HEADERS = ("headers", "extra_headers", "vertex_credentials")

#: The same in a text that is not JSON, such as a form, or the beginning of a body that was cut.
_NAMES = "|".join(_CREDENTIALS + _HEADERS).replace("_", "[_-]")
_IN_TEXT = re.compile(rf'"({_NAMES})"\s*:\s*(?:"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|\{{[^}}]*+(?:\}}|\Z))', re.I | re.S)


@dataclass(slots=True)
class Entry:
    """One request. `status` is None until its answer begins; `body` is at most `LONGEST` bytes of it.

    `answered_by` is the rule of a script, the file of a recording or `mock`; None where the request was refused.
    `notes` say what is odd about the rule's answer.
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
    notes: tuple[str, ...] = ()
    body: bytearray = field(default_factory=bytearray)

    @property
    def is_mock(self) -> bool:
        """Return whether it is a mock's. One under way, whose mode is not known yet, counts as one: its body is not
        shown before its end."""
        return self.mode == "mock" or (self.mode is None and self.status is None)

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
        self.model, self.mode, self.code = facts.get("model"), facts.get("mode") or self.mode, facts.get("code")
        self.answered_by, self.notes = scope.get(ANSWERED_BY), scope.get(NOTES, ())

    def document(self, redacted: Callable[[str], str]) -> dict[str, Any]:
        """The entry as JSON. Its body is a JSON value, or the text of one that is not JSON or was cut.

        The body is None until it is known that no vendor is asked.
        """
        unknown = self.mode is None and self.status is None
        text = "" if unknown else self.body.decode(errors="replace")
        facts = {**asdict(self), "path": redacted(self.path), "body": _shown(text, redacted) if text else None}
        return {**facts, "model": self.model and redacted(self.model), "notes": [*map(redacted, self.notes)]}


class Journal:
    """Keeps the newest entries, in the order in which their requests came: with `shows_real`, real ones too.

    That is for a journal whose reader sent the requests.
    """

    def __init__(self, shows_real: bool = False) -> None:
        self._shows_real = shows_real
        self._entries: deque[Entry] = deque()
        self._came = self._bytes = 0
        #: Bytes of the complete entries, by their numbers.
        self._sizes: dict[int, int] = {}

    def __iter__(self) -> Iterator[Entry]:
        return self.shown()

    def shown(self, *, mocks_alone: bool = False) -> Iterator[Entry]:
        """Return the entries that may be read. One that was refused before its mode was known may have been meant for a
        vendor, unless `mocks_alone` are served."""
        everything = self._shows_real or mocks_alone
        return iter([entry for entry in self._entries if everything or entry.is_mock])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def dropped(self) -> int:
        """The number of requests that are kept no more."""
        return self._came - len(self._entries)

    def open(self, scope: Scope) -> Entry:
        """Begin the entry of a request."""
        self._came += 1
        entry = scope[ENTRY] = Entry(self._came, time.time(), scope["method"], cut(scope["path"]))
        self._entries.append(entry)
        return entry

    def settle(self, entry: Entry) -> None:
        """Count a complete entry, without its body if it was real, and drop the oldest where there are too many."""
        if entry.mode == "real" and not self._shows_real:
            entry.body.clear()
        if entry.number > self.dropped:  # others came and went while it was under way
            self._sizes[entry.number] = len(entry.body)
            self._bytes += len(entry.body)
        while len(self._entries) > MOST or (self._bytes > MOST_BYTES and len(self._entries) > 1):
            self._bytes -= self._sizes.pop(self._entries.popleft().number, 0)


def _shown(text: str, redacted: Callable[[str], str]) -> Any:
    try:
        return _without_credentials(loads(text), redacted)
    except ProviderError:
        return redacted(_IN_TEXT.sub(r'"\1": "[\1]"', text))


def _without_credentials(value: Any, redacted: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, list):
        return [_without_credentials(item, redacted) for item in value]
    if not isinstance(value, dict):
        return value
    return {redacted(name): _member(name, item, redacted) for name, item in value.items()}


def _member(name: str, value: Any, redacted: Callable[[str], str]) -> Any:
    plain = name.lower().replace("-", "_")
    if plain in _HEADERS or (plain in _CREDENTIALS and isinstance(value, str)):
        return f"[{name}]"
    return _without_credentials(value, redacted)
