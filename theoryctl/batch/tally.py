"""The count of a batch as it goes on."""

from __future__ import annotations

import time
from array import array
from collections import Counter
from dataclasses import dataclass, field

from theoryctl_providers.contract import Envelope


@dataclass(slots=True)
class Tally:
    """Counts of lines, tokens and dollars.

    `asked` lines are to be asked in this run, and `in_flight` of them are just now. `unpriced` counts answers whose
    price nobody knows.
    """

    asked: int = 0
    in_flight: int = 0
    ok: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    copied: int = 0
    retried: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
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
        usage = envelope["usage"]
        self.input_tokens += usage["input_tokens"] or 0
        self.output_tokens += usage["output_tokens"] or 0
        self.cost_usd += usage["cost_usd"] or 0.0
        if (error := envelope["error"]) is not None:
            self.failed[error["code"]] += 1
            return
        self.ok += 1
        self.unpriced += usage["cost_usd"] is None
        self._durations.append(envelope["meta"]["duration_ms"])

    def percentiles(self) -> dict[str, int | None]:
        """Return the milliseconds that half, nine in ten and 99 in 100 answers took at most; None without answers."""
        ranked = sorted(self._durations)
        names = {"p50": 50, "p90": 90, "p99": 99}
        return {name: ranked[-(-len(ranked) * part // 100) - 1] if ranked else None for name, part in names.items()}
