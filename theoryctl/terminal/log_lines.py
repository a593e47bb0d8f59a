"""Format the log of an instance, line by line, for people and as NDJSON."""

from __future__ import annotations

import json
import time
from typing import Any

from theoryctl.terminal.format import duration_words
from theoryctl.terminal.text import json_text, printable_cell, printable_json
from theoryctl.units import dollars


def json_line(line: str, *, plain: bool) -> str:
    """A log line as one JSON object: as it is when it is one, else as its `message`; `plain` as in `json_text`."""
    if _object(line) is None:
        return json_text({"message": line}, plain=plain)
    return line if plain else printable_json(line)


def readable_line(line: str) -> str:
    """The line of a request in columns: time, status, duration, model or path, tokens, cost and code. Every other line
    as it is.

    The status is the HTTP status that was sent; `ok` where there is none, and `fail` where it was sent before the
    request failed, as in a stream.
    """
    facts = _object(line) or {}
    if not facts.keys() >= {"time", "run_id", "duration_ms"}:
        return line
    try:
        return _in_columns(facts)
    except (TypeError, ValueError, OverflowError, OSError):  # somebody else's line
        return line


def _in_columns(facts: dict[str, Any]) -> str:
    at = time.strftime("%b %d %H:%M:%S", time.localtime(facts["time"]))
    status = status_word(facts.get("status"), facts.get("code"))
    asked = f"{at}  {status:<4}  {duration_words(facts['duration_ms']):>8}  {_subject(facts):<20}"
    # A request that failed has mostly no tokens: its code stands in their place.
    became = [cell for cell in (_tokens(facts), _cost(facts), facts.get("code") or "") if cell]
    return printable_cell("  ".join([asked, *became]).rstrip())


def _object(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def status_word(status: int | None, code: str | None) -> str:
    """Return the HTTP status of a request, but `fail` where it failed with `code` after success was sent, and a word
    alone where no status is known."""
    if status is None or (code is not None and status < 400):
        return "ok" if code is None else "fail"
    return str(status)


def _subject(facts: dict[str, Any]) -> str:
    """The model that was asked; where none was, the method and path."""
    return str(facts.get("model") or f"{facts.get('method', '')} {facts.get('path', '')}".strip())


def _tokens(facts: dict[str, Any]) -> str:
    counts = ((facts.get("input_tokens"), "in"), (facts.get("output_tokens"), "out"))
    words = ", ".join(f"{count} {word}" for count, word in counts if count is not None)
    return words and f"{words:<14}"


def _cost(facts: dict[str, Any]) -> str:
    cost = facts.get("cost_usd")
    return "" if cost is None else dollars(cost)
