"""Views of the results of `theoryctl runs`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from theoryctl.ledger.queries import Costs, short
from theoryctl.ledger.row import Row
from theoryctl.results.runs import (
    CostRow,
    CostsShown,
    LedgerPath,
    ReportWritten,
    RunList,
    RunsCompared,
    RunsForgotten,
    RunShown,
)
from theoryctl.terminal.format import duration_words, short_digest, size_words
from theoryctl.terminal.text import json_text
from theoryctl.terminal.view import Facts, Lines, Table, View, Views
from theoryctl.units import dollars

HEADER = ("run", "time", "ref", "mode", "model", "tokens", "cost", "duration", "code")
_NONE = "the ledger has no such run"
#: The cause of an empty ledger, and what ends it.
_EMPTY = "the ledger is empty: runs in real mode fill it, and with THEORYCTL_LEDGER=mock runs in mock mode too"


def _list(result: RunList) -> View:
    shown = len(result.rows)
    more = (f"{shown} of {result.total} runs; --limit shows more",) if shown < result.total else ()
    return Table(
        HEADER,
        [_cells(row) for row in result.rows],
        _EMPTY if result.empty else _NONE,
        said=more,
        narrow=_narrow(result.rows),
    )


def _narrow(rows: Sequence[Row]) -> Table:
    """Make the table narrow: no mode, no duration, no ref that is one for all, shorter times and tokens."""
    has_ref = len({row.ref for row in rows}) > 1
    header = ("run", "time", *(["ref"] if has_ref else []), "model", "in/out", "cost", "code")
    cells = [
        (
            short(row.run_id),
            _local(row.started_at, "%m-%d %H:%M"),
            *([row.ref or "-"] if has_ref else []),
            row.model or "-",
            _tokens(row.input_tokens, row.output_tokens, "{}/{}"),
            _cost(row.cost_usd),
            row.code or "-",
        )
        for row in rows
    ]
    return Table(header, cells, "", folds=True)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        short(row.run_id),
        _local(row.started_at),
        row.ref or "-",
        row.mode or "-",
        row.model or "-",
        _tokens(row.input_tokens, row.output_tokens),
        _cost(row.cost_usd),
        "-" if row.duration_ms is None else duration_words(row.duration_ms),
        row.code or "-",
    )


def _local(started_at: str, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A time of the ledger as a clock on the wall shows it here."""
    try:
        return datetime.fromisoformat(started_at).astimezone().strftime(form)
    except ValueError:
        return started_at


def _tokens(read: int | None, written: int | None, form: str = "{} in, {} out") -> str:
    if read is None and written is None:
        return "-"
    return form.format(_known(read), _known(written))


def _known(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


def _cost(cost: float | None) -> str:
    return "-" if cost is None else dollars(cost)


def _shown(result: RunShown) -> View:
    pairs = [(name, _value(name, value)) for name, value in result.row.document().items() if value is not None]
    if result.content is None:
        return Facts(pairs, ("its content was not kept: THEORYCTL_LEDGER=content keeps it",))
    document = result.document()["runs"][0]["content"]
    return Facts([*pairs, *((name, json_text(document[name], plain=False)) for name in ("inputs", "outputs"))])


def _value(name: str, value: object) -> str:
    if name == "cost_usd" and isinstance(value, float):
        return dollars(value)
    if name.endswith("_ms") and isinstance(value, (int, float)):
        return duration_words(value)
    return short_digest(str(value)) if name == "image" else str(value)


def _costs(result: CostsShown) -> View:
    header = (*result.by, "runs", "failed", "tokens in", "tokens out", "cost")
    rows = [_cost_cells(row) for row in result.rows]
    if len(rows) > 1:
        rows.append(("total", *[""] * (len(result.by) - 1), *_sums(result.total)))
    unpriced = result.total.unpriced
    said = (
        (f"runs without a known cost: {unpriced} of {result.total.runs}; the sums leave them out",) if unpriced else ()
    )
    bars = [row.costs.cost_usd or 0.0 for row in result.rows]
    return Table(header, rows, _EMPTY if result.empty else _NONE, folds=True, said=said, bars=bars)


def _cost_cells(row: CostRow) -> tuple[str, ...]:
    return (*(value or "-" for value in row.group), *_sums(row.costs))


def _sums(costs: Costs) -> tuple[str, ...]:
    tokens = (costs.input_tokens, costs.output_tokens)
    known = ("-" if number is None else f"{number:,}" for number in tokens)
    return (str(costs.runs), str(costs.failed), *known, _cost(costs.cost_usd))


def _compared(result: RunsCompared) -> View:
    rows = [f"{name}: {_side(name, one)} -> {_side(name, other)}" for name, one, other in result.fields]
    shown = [*rows, *(result.lines or ())] or ["no difference"]
    if result.lines is None:
        return Lines(shown, ("of one of them inputs and outputs were not kept: THEORYCTL_LEDGER=content keeps them",))
    return Lines(shown)


def _side(name: str, value: object) -> str:
    return "-" if value is None else _value(name, value)


def _report(result: ReportWritten) -> View:
    return Lines([f"wrote {result.file}: {_runs(result.runs)}, {size_words(result.size)}"])


def _forgotten(result: RunsForgotten) -> View:
    return Lines([f"forgot {_runs(result.forgotten)}; {_runs(result.left)} left"])


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number:,} runs"


def _path(result: LedgerPath) -> View:
    return Lines([result.path])


VIEWS: Views = {
    RunList: _list,
    RunShown: _shown,
    CostsShown: _costs,
    RunsCompared: _compared,
    ReportWritten: _report,
    RunsForgotten: _forgotten,
    LedgerPath: _path,
}
