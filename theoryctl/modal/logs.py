"""The log of an app on Modal, line by line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

#: Lines that are shown where no flag says how many.
DEFAULT_TAIL = 100


def log_lines(app: Any, *, follow: bool, tail: int | None, since: float | None) -> Iterator[str]:
    """The last `tail` lines (default 100, or all of the last `since` seconds), and with `follow` those to come."""
    now = datetime.now(timezone.utc)
    begin = now if since is None else now - timedelta(seconds=since)
    old = list(_lines(app.logs.tail(tail or DEFAULT_TAIL) if since is None else app.logs.fetch(since=begin)))
    shown = old if tail is None else old[len(old) - min(tail, len(old)) :]
    yield from (line for _, line in shown)
    if follow:
        last = old[-1][0] if old else begin
        # A stream may begin with what was shown already, or was not wanted.
        yield from (line for at, line in _lines(app.logs.stream()) if at > last)


def _lines(entries: Iterable[Any]) -> Iterator[tuple[datetime, str]]:
    """Entries are pieces of text; a line may come in several, and an entry may hold several."""
    rest = ""
    for entry in entries:
        *lines, rest = (rest + entry.message).split("\n")
        yield from ((entry.timestamp, line) for line in lines)
    if rest:
        yield entry.timestamp, rest
