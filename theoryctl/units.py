"""Times as people write them: `30s`, `10m`, `2h`, `1d`, `2026-11-26`; and sums of dollars as they read them."""

from __future__ import annotations

import math
import re
import time

from theoryctl.errors import UsageError
from theoryctl.hints import again

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_FORM = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)
#: Digits of the largest float, and six behind its point.
_DIGITS = 320
_NEAR = re.compile(
    r"\$?\s*([0-9]+(?:\.[0-9]+)?)\s*(?:(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)|usd|dollars?)?",
    re.ASCII | re.IGNORECASE,
)
_AMOUNT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?(?:e\+?[0-9]{1,3})?)([smhd]?)", re.ASCII)


def parse_duration(text: str, source: str) -> float:
    """Seconds. Raises UsageError that names `source`."""
    number = text.strip()
    match = _FORM.fullmatch(number)
    if match is None:
        bare = number if re.fullmatch("[0-9]{1,9}", number, re.ASCII) else None
        hint = f"write it as {bare or 30}s, {bare or 10}m, {bare or 2}h or {bare or 1}d"
        raise UsageError(f"{source}: expected a time with its unit, got {text!r:.100}", hint=hint)
    return float(int(match[1]) * _SECONDS[match[2]])


def parse_since(text: str, source: str) -> float:
    """Seconds since the epoch at a time: a duration ago, at the begin of a day in UTC, or in RFC 3339.

    Raises UsageError that names `source`.
    """
    if _FORM.fullmatch(text.strip()):
        return time.time() - parse_duration(text, source)
    if re.match(r"\d{4}-", text.strip(), re.ASCII) is None:
        message = f"{source}: expected a time with its unit, or a day, got {text!r:.100}"
        raise UsageError(message, hint=f"write it as {_as_since(text.strip())}")
    from datetime import datetime, timezone

    try:
        begin = datetime.fromisoformat(text.strip())
    except ValueError:
        begin = None
    if begin is None or (begin.tzinfo is None and len(text.strip()) > len("2026-11-26")):
        message = f"{source}: expected a day, or a time with its zone, got {text!r:.100}"
        raise UsageError(message, hint="write it as 2026-11-26, or as 2026-11-26T20:00:00Z")
    return begin.replace(tzinfo=begin.tzinfo or timezone.utc).timestamp()


def _as_since(text: str) -> str:
    """The forms that may be meant: a bare number is a time, or with eight digits a day."""
    if day := re.fullmatch(r"(\d{4})(\d{2})(\d{2})", text, re.ASCII):
        return "-".join(day.groups())
    bare = text if re.fullmatch(r"\d{1,9}", text, re.ASCII) else None
    return f"{bare or 30}s, {bare or 10}m, {bare or 2}h or {bare or 1}d, or as 2026-11-26"


def parse_timeout(text: str, source: str = "--timeout") -> float:
    """Seconds above 0, from `30`, `2.5`, `90s` or `1m`. Raises UsageError that names `source`."""
    match = _AMOUNT.fullmatch(text.strip())
    seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if not 0 < seconds < float("inf"):
        message = f"{source}: expected a time above 0, as 30 (seconds), 90s or 1m, got {text!r:.100}"
        raise UsageError(message, hint=_timeout_hint(text, source))
    return seconds


def _timeout_hint(text: str, source: str) -> str:
    form, right = "write it as 30 (seconds), 90s or 1m", near_number(text)
    is_option = source.startswith("--") and right and _AMOUNT.fullmatch(right) and float(right.rstrip("smhd"))
    return again(form, **{source[2:].replace("-", "_"): right}) if is_option else form


def near_number(text: str) -> str | None:
    """The number in a text, with the first letter of its unit of time: `1m` of `1 min`, `2.50` of `$2.50`.

    None where the text says anything else, as another unit.
    """
    found = _NEAR.fullmatch(text.strip())
    return f"{found[1]}{(found[2] or '')[:1].lower()}" if found else None


def parse_dollars(text: str, source: str) -> float:
    """US dollars, from `2.50`; 0 too. Raises UsageError that names `source`."""
    try:
        usd = float(text)
    except ValueError:
        usd = -1.0
    if not 0 <= usd < float("inf"):
        message = f"{source}: expected US dollars, as 2.50, got {text!r:.100}"
        raise UsageError(message, hint="write it as a number, such as 2.50")
    return usd


def most_dollars(usd: float | None) -> str:
    """The most that something costs: `at most $0.02`; None is unknown."""
    return "an unknown price" if usd is None else f"at most {dollars(usd, at_most=True)}"


def dollars(usd: float, *, at_most: bool = False) -> str:
    """A sum to a millionth of a dollar, and a smaller one with six digits that count: `$2.5`, `$0.00000495`.

    A sum that is paid `at_most` is rounded up, any other to the nearest.
    """
    from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal

    if not math.isfinite(usd):  # of a log that somebody else wrote
        return f"${usd}"
    exact = Decimal(f"{usd:.12g}")  # without the dust that sums of binary fractions leave
    places = max(6, 5 - exact.adjusted()) if exact else 0
    rounded = exact.quantize(
        Decimal(1).scaleb(-places), ROUND_CEILING if at_most else ROUND_HALF_EVEN, Context(_DIGITS)
    )
    text = f"{rounded:f}"
    return f"${text.rstrip('0').rstrip('.') if '.' in text else text}"
