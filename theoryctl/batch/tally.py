"""The count of a batch as it goes on."""

from __future__ import annotations

import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TypedDict, TypeVar

from theoryctl.batch.resume import Earlier
from theoryctl.requests.billing import is_unbilled, paid
from theoryctl_providers.contract import Envelope

_Number = TypeVar("_Number", int, float)


class Sums(TypedDict):
    """Sums of a batch. A sum is None where no call tells its part, though one has had its part.

    `unpriced` calls have a cost that nobody knows; the two of `before` are of the rows that were there.
    """

    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    unpriced: int
    spent_before_usd: float | None
    unpriced_before: int


@dataclass(slots=True)
class Tally:
    """Counts of lines, tokens and dollars.

    `asked` lines are to be asked in this run, and `in_flight` of them are just now. Of the lines that are `copied` from
    an equal one, `failed_copies` tell of a failure. `unpriced` counts calls whose price nobody knows, those that were
    asked again too, and `untold` lines by the kind of tokens that nobody knows. `least` are the seconds that the lines
    which wait take at least, and the name of the limit that it is for, if it is for one. `again` lines wait to be asked
    again, and `pause` are the seconds until the next call where nothing is in flight; 0 where no failure is waited for.
    """

    asked: int = 0
    in_flight: int = 0
    ok: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    copied: int = 0
    failed_copies: int = 0
    retried: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    untold: Counter[str] = field(default_factory=Counter)
    least: tuple[float, str | None] = (0.0, None)
    again: int = 0
    pause: float = 0.0
    began: float = field(default_factory=time.monotonic)
    #: Milliseconds of each answer; 4 bytes a line.
    _durations: array[int] = field(default_factory=lambda: array("L"))

    @property
    def done(self) -> int:
        """Lines that have their row."""
        return self.ok + self.failures

    @property
    def failures(self) -> int:
        """Lines whose row tells of a failure."""
        return self.failed.total()

    @property
    def seconds(self) -> float:
        """Seconds since the first call."""
        return time.monotonic() - self.began

    def add(self, envelope: Envelope) -> None:
        """Count a line that was asked."""
        usage, error = envelope["usage"], envelope["error"]
        self.input_tokens += usage["input_tokens"] or 0
        self.output_tokens += usage["output_tokens"] or 0
        self.add_cost(envelope)
        self._count_unknown(envelope)
        if error is not None:
            self.failed[error["code"]] += 1
            return
        self.ok += 1
        self._durations.append(envelope["meta"]["duration_ms"])

    def add_copies(self, count: int, *, failed: bool) -> None:
        """Count lines whose row is that of an equal one, which may be of a failure."""
        self.copied += count
        self.failed_copies += count * failed

    def add_retried(self, envelope: Envelope) -> None:
        """Count a call that failed and is made again."""
        self.retried += 1
        self.add_cost(envelope)

    def add_cost(self, envelope: Envelope) -> None:
        """Count the cost of a call, whatever becomes of its line."""
        usd = paid(envelope)
        self.cost_usd += usd or 0.0
        self.unpriced += usd is None

    def sums(self, earlier: Earlier) -> Sums:
        """Return the sums of this run, and of the rows that were there before."""
        return Sums(
            input_tokens=_known(self.input_tokens, self.untold["input_tokens"]),
            output_tokens=_known(self.output_tokens, self.untold["output_tokens"]),
            cost_usd=_known(self.cost_usd, self.unpriced),
            unpriced=self.unpriced,
            spent_before_usd=_known(earlier.cost_usd, earlier.unpriced),
            unpriced_before=earlier.unpriced,
        )

    def _count_unknown(self, envelope: Envelope) -> None:
        usage = envelope["usage"]
        if envelope["error"] is None or not is_unbilled(envelope):
            self.untold["input_tokens"] += usage["input_tokens"] is None
            self.untold["output_tokens"] += usage["output_tokens"] is None

    def percentiles(self) -> dict[str, int | None]:
        """Return the milliseconds that half, nine in ten and 99 in 100 answers took at most; None without answers."""
        ranked = sorted(self._durations)
        names = {"p50": 50, "p90": 90, "p99": 99}
        return {name: ranked[-(-len(ranked) * part // 100) - 1] if ranked else None for name, part in names.items()}


def _known(total: _Number, unknown: int) -> _Number | None:
    return None if unknown and not total else total
