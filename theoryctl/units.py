"""Durations as people write them: `30s`, `10m`, `2h`, `1d`."""

from __future__ import annotations

import re

from theoryctl.errors import UsageError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FORM = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)


def parse_duration(text: str) -> float:
    """Seconds. Raises UsageError."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is not a duration", hint="write it as 30s, 10m, 2h or 1d")
    return float(int(match[1]) * _SECONDS[match[2]])
