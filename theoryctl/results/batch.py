"""Results of `batch`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from theoryctl.errors import exit_status
from theoryctl_providers.contract import ErrorInfo, ProviderError, info_of

if TYPE_CHECKING:
    from theoryctl.batch.cost import Range

SUMMARY_SCHEMA = "theoryctl.batch_summary/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorBatch:
    """A batch at a vendor. `state` is the vendor's own word, or None where it did not say one; `done` of its `requests`
    are answered or have failed. `id` is None where the vendor has not said it yet. `error` is why nothing is known.

    `submitted_at` is in seconds since 1970; `out` is the file that its rows are for.
    """

    vendor: str
    model: str
    requests: int
    submitted_at: float
    id: str | None = None
    state: str | None = None
    done: int = 0
    out: str | None = None
    error: ErrorInfo | None = None

    def document(self) -> dict[str, Any]:
        """Everything that is known."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class VendorBatches:
    """The batches at vendors whose answers were not all taken; `errors` are of records that cannot be read."""

    batches: tuple[VendorBatch, ...]
    errors: tuple[ErrorInfo, ...] = ()

    def document(self) -> dict[str, Any]:
        """All of them; `errors` where there are any."""
        return {
            "schema": "theoryctl.batches/v1",
            "batches": [each.document() for each in self.batches],
            **({"errors": list(self.errors)} if self.errors else {}),
        }

    @property
    def exit_status(self) -> int:
        return max(map(exit_status, self.errors), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """A batch that has ended, or was stopped; `error` is the reason then.

    `lines` are all lines, `invalid` those that were left out, `resumed` those that had a row before, of which
    `failed_before` tell of a failure, `copied` those that are equal to another one, of which `failed_copies` do, `left`
    those that still have no row. `failed` are the others' failures by code.
    `latency_ms` has the percentiles p50, p90 and p99 of successes. Nobody knows the cost of `unpriced` calls, nor of
    `unpriced_before` that rows of earlier runs tell of. A sum is None where no call tells its part.
    `out` is the path of the rows, None for standard output. Up to `allowed` lines may fail. `detached` is the name of
    what goes on elsewhere, None where nothing does. `batches` are those at vendors whose answers have not come; None
    where lines were asked one by one. `report` is the page about it. `unused_rules` are those of the script that
    answered nothing, a failure where it is `strict`; none are known where lines had rows before.
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
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    unpriced: int
    spent_before_usd: float | None
    latency_ms: Mapping[str, int | None]
    seconds: float
    unpriced_before: int = 0
    failed_before: int = 0
    failed_copies: int = 0
    allowed: float = 0.0
    detached: str | None = None
    unused_rules: tuple[str, ...] = ()
    strict: bool = False
    error: ErrorInfo | None = None
    batches: tuple[VendorBatch, ...] | None = None
    report: str | None = None

    def document(self) -> dict[str, Any]:
        """Everything that was counted."""
        counts = ("lines", "invalid", "resumed", "failed_before", "copied", "ok", "left", "retried")
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
                "unpriced_before": self.unpriced_before,
            },
            "latency_ms": dict(self.latency_ms),
            "seconds": round(self.seconds, 3),
            "unused_rules": list(self.unused_rules),
            "error": self.error,
            **({} if self.batches is None else {"batches": [each.document() for each in self.batches]}),
            **({} if self.report is None else {"report": self.report}),
        }

    @property
    def has_file(self) -> bool:
        """Tell whether the rows are in a file: a batch that got none has one only if it has ended."""
        is_ended = self.error is None and self.detached is None and self.batches is None
        return self.out is not None and (is_ended or self.ok + self.failures + self.copied + self.resumed > 0)

    @property
    def failures(self) -> int:
        """Lines that failed in this run."""
        return sum(self.failed.values())

    @property
    def failed_lines(self) -> int:
        """Lines whose row tells of a failure, one of an earlier run too."""
        return self.failures + self.failed_copies + self.failed_before

    @property
    def exit_status(self) -> int:
        if self.error is not None:
            return exit_status(self.error)
        if self.failed_lines > self.allowed:
            return 1
        return 3 if self.strict and self.unused_rules else 0


@dataclass(frozen=True, slots=True)
class BatchesCollected:
    """Batches whose answers were taken, as far as they were there; for one that could not be looked at, its error."""

    results: tuple[BatchResult | ProviderError, ...]

    def document(self) -> dict[str, Any]:
        """All of them, and the first error."""
        done = [each.document() for each in self.results if isinstance(each, BatchResult)]
        return {
            "schema": "theoryctl.batches_collected/v1",
            "status": "error" if self.exit_status else "success",
            "batches": done,
            "error": self.error,
        }

    @property
    def error(self) -> ErrorInfo | None:
        """The first error."""
        return next(iter(self.errors), None)

    @property
    def errors(self) -> tuple[ErrorInfo, ...]:
        """All errors, in the order of the results."""
        infos = (each.error if isinstance(each, BatchResult) else info_of(each) for each in self.results)
        return tuple(filter(None, infos))

    @property
    def exit_status(self) -> int:
        if self.error is not None:
            return exit_status(self.error)
        return max((each.exit_status for each in self.results if isinstance(each, BatchResult)), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEstimate:
    """The tokens and US dollars that a batch may take, as the lowest and the highest of each; None is unknown.

    `lines` are to be asked. `unpriced` are the models whose price nobody knows, with the number of their lines; `near`
    has the models that may have been meant. `source` is the release of LiteLLM whose prices they are; without LiteLLM
    it is None, and `install` is the command that installs it. `assumed` are the models whose price in a vendor's batch
    nobody knows: half of the usual one is taken for the lowest cost, and the usual one for the highest.
    """

    lines: int
    resumed: int
    invalid: int
    input_tokens: Range
    output_tokens: Range
    cost_usd: Range
    unpriced: Mapping[str, int] = field(default_factory=dict)
    near: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None
    install: str | None = None
    assumed: Mapping[str, int] = field(default_factory=dict)
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
            "near": dict(self.near),
            "prices": self.source,
            "install": self.install,
            **({"assumed": dict(self.assumed)} if self.assumed else {}),
        }


def _range(pair: Range) -> dict[str, float | None]:
    return {"low": pair[0], "high": pair[1]}
