"""Views of the results of `batch`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from theoryctl.batch.lines import lines_words
from theoryctl.batch.prices import NO_TABLE
from theoryctl.results.batch import BatchesCollected, BatchEstimate, BatchResult, VendorBatch, VendorBatches
from theoryctl.terminal.format import duration_words, paired, rate_words
from theoryctl.terminal.view import Facts, Lines, Table, View, Views
from theoryctl.units import dollars

if TYPE_CHECKING:
    from theoryctl.batch.cost import Range
    from theoryctl_providers.contract import ErrorInfo


def _batch(result: BatchResult) -> View:
    """A summary; where standard output has the rows, it goes to standard error."""
    pairs = summary(result)
    return Facts(pairs, tuple(_retry(result))) if result.out is not None else Lines((), tuple(paired(pairs)))


def _retry(result: BatchResult) -> Iterator[str]:
    """The way on after failures; an error tells its own."""
    if result.failed_lines and result.error is None:
        yield f"{lines_words(result.failed_lines)} failed; --retry-failed asks again"


def summary(result: BatchResult) -> list[tuple[str, str]]:
    """The counts that say something, by name."""
    counts = {
        "ok": result.ok,
        **{f"failed {code}": count for code, count in result.failed.items()},
        "copied": result.copied,
        "done before": result.resumed - result.failed_before,
        "failed before": result.failed_before,
        "invalid": result.invalid,
        "left": result.left,
        "asked again": result.retried,
    }
    pairs = [("lines", f"{result.lines:,}"), *((name, f"{count:,}") for name, count in counts.items() if count)]
    if result.ok + result.failures:
        sent, got = _tokens(result.input_tokens), _tokens(result.output_tokens)
        pairs.append(("tokens", f"{sent} in, {got} out"))
    if result.ok + result.failures or result.unpriced or result.spent_before_usd or result.unpriced_before:
        pairs.append(("cost", _cost(result)))
    if result.ok:
        pairs.append(("latency", _latency(result.latency_ms)))
        pairs.append(("time", f"{duration_words(result.seconds * 1000)}, {_rate(result)} lines/s"))
    if result.detached is not None:
        pairs.append(("detached", result.detached))
    pairs += [(each.vendor, standing(each)) for each in result.batches or ()]
    if result.unused_rules:
        pairs.append(("unused", ", ".join(result.unused_rules) + ("; the script is strict" if result.strict else "")))
    if result.out is not None and result.has_file:
        pairs.append(("rows", result.out))
    if result.report is not None:
        pairs.append(("report", result.report))
    return pairs


def standing(batch: VendorBatch) -> str:
    """The standing of a batch at a vendor, in words."""
    told = batch.error["message"] if batch.error else batch.state or "submitted"
    return f"{batch.id or 'a batch'}: {told}, {batch.done:,} of {batch.requests:,} done"


def _batches(result: VendorBatches) -> View:
    header = ("vendor", "batch", "model", "state", "done", "rows")
    rows = [
        (
            each.vendor,
            each.id or "-",
            each.model,
            each.error["message"] if each.error else each.state or "submitted",
            f"{each.done:,} of {each.requests:,}",
            each.out or "-",
        )
        for each in result.batches
    ]
    return Table(header, rows, empty=_none(result.errors), errors=result.errors)


def _none(errors: Sequence[ErrorInfo]) -> str:
    """The words for no batch; there are none where it is not known, for `errors`."""
    return "" if errors else "no batch is at a vendor"


def _tokens(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}"


def _cost(result: BatchResult) -> str:
    """The cost of this run, and of earlier ones where there was any."""
    said = _paid(result.cost_usd, result.unpriced)
    has_before = result.spent_before_usd or result.unpriced_before
    return f"{said}; {_paid(result.spent_before_usd, result.unpriced_before)} before" if has_before else said


def _paid(usd: float | None, unpriced: int) -> str:
    if usd is None:
        return "unknown"
    if not unpriced:
        return dollars(usd)
    return f"{dollars(usd)} and {'1 call' if unpriced == 1 else f'{unpriced:,} calls'} of unknown price"


def _latency(latency: Mapping[str, int | None]) -> str:
    return ", ".join(f"{name} {duration_words(value)}" for name, value in latency.items() if value is not None)


def _rate(result: BatchResult) -> str:
    return rate_words((result.ok + result.failures) / max(result.seconds, 1e-3))


def _estimate(result: BatchEstimate) -> Facts:
    counts = {"done before": result.resumed, "invalid": result.invalid}
    pairs = [
        ("lines", f"{result.lines:,}"),
        *((name, f"{count:,}") for name, count in counts.items() if count),
        ("input", f"{_between(result.input_tokens, _whole)} tokens"),
        ("output", f"{_between(result.output_tokens, _whole)} tokens"),
        ("cost", _between(result.cost_usd, dollars)),
    ]
    assumed = [
        f"{lines_words(count)} for {model}: nobody knows the price of batches, from half of the usual one to all of it"
        for model, count in result.assumed.items()
    ]
    source = (f"prices: {result.source}",) if result.source else ()
    return Facts(pairs, (*_unpriced(result), *assumed, *source))


def _unpriced(result: BatchEstimate) -> Iterator[str]:
    """The models without a price, and what ends that."""
    if result.unpriced and result.install:
        yield f"{NO_TABLE}: {result.install}"
        return
    for model, count in result.unpriced.items():
        near = f"; did you mean {result.near[model]}?" if model in result.near else ""
        yield f"{lines_words(count)} for {model}: nobody knows the price{near}"


def _between(pair: Range, shown: Callable[[float], str]) -> str:
    """Both ends of a range, in words: `1 to 5`, `at least 1`, `unknown`."""
    low, high = pair
    if low is None:
        return "unknown"
    return f"at least {shown(low)}" if high is None else f"{shown(low)} to {shown(high)}"


def _whole(number: float) -> str:
    return f"{number:,.0f}"


def _collected(result: BatchesCollected) -> View:
    header = ("rows", "ok", "failed", "left", "cost", "at the vendor")
    rows = [
        (
            each.out or "-",
            f"{each.ok:,}",
            f"{each.failures:,}",
            f"{each.left:,}",
            _paid(each.cost_usd, each.unpriced),
            ", ".join(map(standing, each.batches or ())) or "-",
        )
        for each in result.results
        if isinstance(each, BatchResult)
    ]
    return Table(header, rows, empty=_none(result.errors), errors=result.errors)


VIEWS: Views = {BatchesCollected: _collected, BatchResult: _batch, BatchEstimate: _estimate, VendorBatches: _batches}
