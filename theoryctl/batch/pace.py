"""The pace of a batch: calls at the same time, calls a minute and tokens a minute."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

#: Seconds over which a limit per minute is kept.
MINUTE = 60.0

#: The part of a limit per minute that may be used at once.
BURST = 0.05

#: Seconds of pause after a refusal that names no time.
SHORTEST_PAUSE = 1.0

#: Seconds of a pause, at most, whatever a header says.
LONGEST_PAUSE = 300.0


class Bucket:
    """An allowance that fills at an even rate: over any minute no more than `limit` and a burst of 5 % is taken."""

    def __init__(self, limit: float, now: float = 0.0) -> None:
        self._rate = limit / MINUTE
        self._most = max(1.0, limit * BURST)
        self._level, self._at = self._most, now

    def delay(self, amount: float, now: float) -> float:
        """Return the seconds until so much may be taken; an amount above the burst waits for a full bucket."""
        self._fill(now)
        return max(0.0, (min(amount, self._most) - self._level) / self._rate)

    def seconds(self, amount: float, now: float) -> float:
        """Return the seconds until so much has been taken, piece by piece."""
        self._fill(now)
        return max(0.0, (amount - self._level) / self._rate)

    def take(self, amount: float, now: float) -> None:
        """Take so much, or give it back where it is negative. The level may fall below 0: that is owed."""
        self._fill(now)
        self._level = min(self._level - amount, self._most)

    def _fill(self, now: float) -> None:
        self._level = min(self._most, self._level + (now - self._at) * self._rate)
        self._at = now


@dataclass(slots=True)
class Pace:
    """Decides when the next call may begin.

    `ceiling` calls at most run at the same time. A refusal for too many calls halves the number, once for all calls
    that were under way, and every answer adds a part of one again, as TCP does it (RFC 5681: additive increase,
    multiplicative decrease). `rpm` and `tpm` are limits per minute.
    """

    ceiling: int
    rpm: float | None = None
    tpm: float | None = None
    clock: Callable[[], float] = time.monotonic
    allowed: float = field(init=False)
    _begun: int = field(init=False, default=0)
    _used: float = field(init=False, default=0.0)
    _calls: Bucket | None = field(init=False, default=None)
    _tokens: Bucket | None = field(init=False, default=None)
    _paused_until: float = field(init=False, default=-math.inf)
    _cut_at: float = field(init=False, default=-math.inf)

    def __post_init__(self) -> None:
        self.allowed = float(self.ceiling)
        self._calls = Bucket(self.rpm, self.clock()) if self.rpm else None
        self._tokens = Bucket(self.tpm, self.clock()) if self.tpm else None

    def room(self, in_flight: int) -> int:
        """Return how many more calls may be under way."""
        return max(0, int(self.allowed) - in_flight)

    def delay(self, tokens: float) -> float:
        """Return the seconds until a call of so many tokens may begin; 0: now."""
        now = self.clock()
        waits = [self._paused_until - now]
        if self._calls is not None:
            waits.append(self._calls.delay(1, now))
        if self._tokens is not None:
            waits.append(self._tokens.delay(tokens, now))
        return max(0.0, *waits)

    @property
    def paused(self) -> float:
        """Return the seconds until a pause after failures is over; 0 where there is none."""
        return max(0.0, self._paused_until - self.clock())

    def begin(self, tokens: float) -> float:
        """Count a call that begins; the time."""
        now = self.clock()
        self._begun += 1
        self._used += tokens
        if self._calls is not None:
            self._calls.take(1, now)
        if self._tokens is not None:
            self._tokens.take(tokens, now)
        return now

    def settle(self, reserved: float, used: float) -> None:
        """Count the tokens that a call really took, in place of those that were reserved for it."""
        self._used += used - reserved
        if self._tokens is not None:
            self._tokens.take(used - reserved, self.clock())

    def least(self, calls: int) -> tuple[float, str | None]:
        """Return the seconds until so many more calls can have begun, each with as many tokens as those before had, and
        the limit that it is for: `rpm`, or `tpm`; None where there is none."""
        now, tokens = self.clock(), self._used / max(1, self._begun)
        buckets = {"rpm": (self._calls, 1.0), "tpm": (self._tokens, tokens)}
        waits = [(bucket.seconds(calls * each, now), name) for name, (bucket, each) in buckets.items() if bucket]
        return max(waits, default=(0.0, None))

    def answered(self) -> None:
        """Count an answer: all calls under way together earn one more."""
        self.allowed = min(self.ceiling, self.allowed + 1 / self.allowed)

    def refused(self, began: float, retry_after: float | None) -> None:
        """Count a refusal for too many calls or tokens, of a call that began then."""
        if began > self._cut_at:  # those that began before were too many for the same reason
            self._cut_at = self.clock()
            self.allowed = max(1.0, self.allowed / 2)
        self.pause(SHORTEST_PAUSE if retry_after is None else retry_after)

    def pause(self, seconds: float) -> None:
        """Begin no call for so long."""
        self._paused_until = max(self._paused_until, self.clock() + min(seconds, LONGEST_PAUSE))

    def heed(self, headers: Mapping[str, str]) -> None:
        """Heed what a vendor says of its limits: where nothing is left, no call begins until it is there again."""
        for name, value in headers.items():
            if "ratelimit" in name and "remaining" in name and _number(value) == 0:
                seconds = _seconds(headers.get(name.replace("remaining", "reset")))
                if seconds is not None:
                    self.pause(seconds)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


#: `6m0s`, `1.5s`, `20ms`: durations as OpenAI and Groq write them (Go's time.Duration).
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)(ms|h|m|s))", re.ASCII)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def _seconds(text: str | None) -> float | None:
    """Seconds from a header that says when a limit is reset: a duration, seconds, or a time (RFC 3339)."""
    if not text:
        return None
    parts = _DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    seconds = _number(text)
    if seconds is not None:  # a larger one is a time since 1970
        return seconds if 0 <= seconds <= 86400 else None
    return _until(text)


def _until(text: str) -> float | None:
    from datetime import datetime, timezone

    try:
        then = datetime.fromisoformat(text)
    except ValueError:
        return None
    if then.tzinfo is None:
        return None
    return max(0.0, (then - datetime.now(timezone.utc)).total_seconds())
