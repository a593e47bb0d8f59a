"""Rows from a line in a server's log, and the check of what SQLite can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard, cast, get_args

from theoryctl.ledger.row import BOUND, LONGEST, USAGE, Row, amount, cost_of, short
from theoryctl_providers.contract import Operation


def row_of_log(facts: Mapping[str, Any], **where: Any) -> Row | None:
    """Return the row of a request in a server's log; None for a line of anything else.

    What a provider prints stands in the log as well: a value that its column cannot hold is None. `where` are columns
    that the log does not tell: source, ref, runtime, image.
    """
    run_id, ended, took = _text(facts.get("run_id")), _number(facts.get("time")), _number(facts.get("duration_ms"))
    if run_id is None or ended is None or took is None:
        return None
    try:
        started_at = _rfc3339(ended - took / 1000)
    except (OverflowError, ValueError, OSError):
        return None
    told: dict[str, Any] = {name: short(_text(facts.get(name))) for name in ("mode", "model", "code")}
    told["operation"] = operation if (operation := facts.get("operation")) in get_args(Operation) else None
    told |= {name: amount(facts.get(name)) for name in USAGE}
    told["cost_usd"] = cost_of(told["cost_usd"], told["mode"])
    return Row(run_id=run_id[:LONGEST], started_at=started_at, duration_ms=took, **told, **where)


def _rfc3339(seconds: float) -> str:
    from datetime import datetime, timezone

    at = datetime.fromtimestamp(seconds, timezone.utc)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def is_text(value: object) -> TypeGuard[str]:
    """Tell whether a value is a text that SQLite can hold: one without lone surrogates."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_number(value: object) -> TypeGuard[int | float]:
    """Tell whether a value is a number that SQLite can hold, and the sums of a file."""
    return type(value) in (int, float) and -BOUND < cast(float, value) < BOUND


def held(value: object) -> object:
    """Return a value if SQLite can hold it, else None."""
    return value if is_text(value) or is_number(value) else None


def _text(value: object) -> str | None:
    return value if is_text(value) else None


def _number(value: object) -> int | float | None:
    return value if is_number(value) else None
