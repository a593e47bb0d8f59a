"""The log of an app on Modal, line by line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from theoryctl.instances.lines import Lines

#: Lines that are shown where no flag says how many.
DEFAULT_TAIL = 100


def log_lines(app: Any, *, follow: bool, tail: int | None, since: float | None) -> Iterator[str]:
    """The last `tail` lines (default 100, or all of the last `since` seconds), and with `follow` those to come."""
    now = datetime.now(timezone.utc)
    begin = now if since is None else now - timedelta(seconds=since)
    old = list(joined(app.logs.tail(tail or DEFAULT_TAIL) if since is None else app.logs.fetch(since=begin)))
    shown = old if tail is None else old[len(old) - min(tail, len(old)) :]
    yield from (line for _, line in shown)
    if follow:
        last = old[-1][0] if old else begin
        # A stream may begin with what was shown already, or was not wanted.
        yield from (line for at, line in joined(app.logs.stream()) if at > last)


def joined(entries: Iterable[Any]) -> Iterator[tuple[datetime, str]]:
    """Put lines together, each with its time, of entries: the pieces of a line may stand between those of another's."""
    ended: dict[str, Lines] = {}
    latest: dict[str, datetime] = {}
    for entry in entries:
        container = container_of(entry)
        latest[container] = entry.timestamp
        lines = ended.setdefault(container, Lines())
        yield from ((entry.timestamp, line) for line in lines.of(entry.message.encode(errors="replace")))
    for container, lines in ended.items():
        yield from ((latest[container], line) for line in lines.end())


def container_of(entry: Any) -> str:
    """Return the ID of the container that wrote an entry; empty where the entry names none."""
    return next((each for each in reversed(entry.context_ids) if each.startswith("ta-")), "")
