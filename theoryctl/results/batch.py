"""Results of `batch`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from theoryctl.errors import exit_status
from theoryctl_providers.contract import ErrorInfo

SUMMARY_SCHEMA = "theoryctl.batch_summary/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """A batch that has ended, or was stopped; `error` is the reason then.

    `lines` are all lines, `invalid` those that were left out, `resumed` those that had a row before, `copied` those
    that are equal to another one, `left` those that still have no row. `failed` are the others' failures by code.
    `latency_ms` has the percentiles p50, p90 and p99 of successes. `unpriced` answers are of a price that nobody knows.
    `out` is the path of the rows, None for standard output. Up to `allowed` lines may fail. `detached` is the name of
    what goes on elsewhere, None where nothing does.
    """

    out: str | None
    lines: int
    invalid: int
    resumed: int
    copied: int
    ok: int
    failed: Mapping[str, int]
    left: int
    retried: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    unpriced: int
    spent_before_usd: float
    latency_ms: Mapping[str, int | None]
    seconds: float
    allowed: float = 0.0
    detached: str | None = None
    error: ErrorInfo | None = None

    def document(self) -> dict[str, Any]:
        """Everything that was counted."""
        counts = ("lines", "invalid", "resumed", "copied", "ok", "left", "retried")
        return {
            "schema": SUMMARY_SCHEMA,
            "status": "error" if self.exit_status else "success",
            "out": self.out,
            "detached": self.detached,
            **{name: getattr(self, name) for name in counts},
            "failed": dict(self.failed),
            "usage": {
                "input_tokens": self.input_tokens,
                "output_tokens": self.output_tokens,
                "cost_usd": self.cost_usd,
                "unpriced": self.unpriced,
                "spent_before_usd": self.spent_before_usd,
            },
            "latency_ms": dict(self.latency_ms),
            "seconds": round(self.seconds, 3),
            "error": self.error,
        }

    @property
    def failures(self) -> int:
        """Lines that failed in this run."""
        return sum(self.failed.values())

    @property
    def exit_status(self) -> int:
        if self.error is not None:
            return exit_status(self.error)
        return int(self.failures > self.allowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEstimate:
    """The tokens and US dollars that a batch may take, as the lowest and the highest of each.

    `lines` are to be asked. `unpriced` are the models whose price nobody knows, with the number of their lines; their
    lines are not in the costs.
    """

    lines: int
    resumed: int
    invalid: int
    input_tokens: tuple[int, int]
    output_tokens: tuple[int, int]
    cost_usd: tuple[float, float]
    unpriced: Mapping[str, int] = field(default_factory=dict)
    source: str | None = None
    exit_status: ClassVar[int] = 0

    def document(self) -> dict[str, Any]:
        """Everything that was estimated."""
        return {
            "schema": "theoryctl.batch_estimate/v1",
            "lines": self.lines,
            "resumed": self.resumed,
            "invalid": self.invalid,
            "input_tokens": _range(self.input_tokens),
            "output_tokens": _range(self.output_tokens),
            "cost_usd": _range(self.cost_usd),
            "unpriced": dict(self.unpriced),
            "prices": self.source,
        }


def _range(pair: tuple[float, float]) -> dict[str, float]:
    return {"low": pair[0], "high": pair[1]}
