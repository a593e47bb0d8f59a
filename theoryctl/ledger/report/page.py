"""The report: one HTML page that holds all it needs, and asks no network for anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from theoryctl.ledger.queries import Costs
from theoryctl.ledger.report import plots
from theoryctl.ledger.report.figures import PERCENTILES, Figures, Latency
from theoryctl.ledger.row import Row

#: A cell: its text, and the value that a click on the header sorts by.
Cell = tuple[str, str | float]

#: Nothing is loaded from anywhere, whatever a text of the ledger looks like.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

_COSTS = ("model", "runs", "failed", "tokens in", "tokens out", "cost, $")
_RUNS = ("time (UTC)", "ref", "mode", "model", "tokens in", "tokens out", "cost, $", "duration, ms", "code", "run")
#: The columns that are no numbers.
_TEXTS = ("time (UTC)", "ref", "mode", "model", "code", "run")


def page(figures: Figures, title: str) -> str:
    """Return the page."""
    return f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(title)}</title>
<style>{_asset("page.css")}</style>
</head>
<body>
<h1>{escape(title)}</h1>
<p class="faint">Written {time.strftime("%Y-%m-%d %H:%M", time.gmtime())} UTC by theoryctl. Days are those of UTC.</p>
{_summary(figures.total)}
<div class="plots">
{"".join(_plots(figures))}
</div>
<h2>Cost by model</h2>
{_table("costs", _COSTS, map(_cost_row, figures.costs))}
<h2>Latency by model, in seconds</h2>
{_table("latency", _latency_header(), map(_latency_row, figures.latency))}
<h2>Runs</h2>
<p class="faint">The newest {len(figures.runs):,} of {figures.total.runs:,}. A click on a column's name sorts by it.</p>
{_table("runs", _RUNS, map(_run_row, figures.runs))}
<script>{_asset("page.js")}</script>
</body>
</html>
"""


def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _summary(total: Costs) -> str:
    unpriced = f" ({total.unpriced:,} of unknown cost)" if total.unpriced else ""
    facts = (
        ("runs", f"{total.runs:,}"),
        ("failed", f"{total.failed:,}"),
        ("cost", f"{_dollars(total.cost_usd)}{unpriced}"),
        ("tokens in", _count(total.input_tokens)),
        ("tokens out", _count(total.output_tokens)),
    )
    return f"<dl>{''.join(f'<div><dt>{name}</dt><dd>{value}</dd></div>' for name, value in facts)}</dl>"


def _plots(figures: Figures) -> Iterator[str]:
    paid = [(model, costs.cost_usd) for model, costs in figures.costs if costs.cost_usd]
    paid.sort(key=lambda each: -each[1])
    yield _figure("Cost by day and model, in US dollars", figures.cost_by_day, plots.by_day)
    yield _figure("Cost by model, in US dollars", paid, plots.by_name)
    yield _figure("Latency by model, in seconds", figures.latency, plots.latencies)
    yield _figure("Tokens by day", figures.tokens_by_day, plots.by_day)
    yield _figure("Failures by code", figures.failures, plots.by_name)


def _figure(title: str, numbers: Any, draw: Callable[[Any], str]) -> str:
    shown = draw(numbers) if numbers else '<p class="faint">nothing</p>'
    return f"<figure><figcaption>{title}</figcaption>{shown}</figure>\n"


def _table(name: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    names = "".join(map(_head, header))
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in rows)
    return f'<div class="wide"><table id="{name}"><thead><tr>{names}</tr></thead>\n<tbody>{body}</tbody></table></div>'


def _head(text: str) -> str:
    kind = "" if text in _TEXTS else ' class="number"'
    return f'<th scope="col"{kind}><button type="button">{text}</button></th>'


def _cell(cell: Cell) -> str:
    text, value = cell
    if isinstance(value, str):
        return f"<td>{escape(text)}</td>"
    return f'<td class="number" data-value="{value!r}">{escape(text)}</td>'


def _cost_row(row: tuple[str, Costs]) -> Sequence[Cell]:
    model, costs = row
    tokens = (_number(costs.input_tokens), _number(costs.output_tokens))
    return ((model, model), _number(costs.runs), _number(costs.failed), *tokens, _number(costs.cost_usd, _dollars))


def _latency_header() -> Sequence[str]:
    parts = ("whole", "first token")
    return ("model", "runs", *(f"{part}, p{percent}" for part in parts for percent in PERCENTILES))


def _latency_row(row: tuple[str, Latency]) -> Sequence[Cell]:
    model, latency = row
    times = (_number(each, _seconds) for each in (*latency.whole, *latency.first_token))
    return ((model, model), _number(latency.runs), *times)


def _run_row(row: Row) -> Sequence[Cell]:
    facts = (row.ref or "", row.mode or "", row.model or "")
    numbers = (
        _number(row.input_tokens),
        _number(row.output_tokens),
        _number(row.cost_usd, _dollars),
        _number(row.duration_ms),
    )
    at = row.started_at.replace("T", " ")[:19]
    return ((at, at), *((text, text) for text in facts), *numbers, (row.code or "", ""), (row.run_id[:14], ""))


def _number(value: float | None, form: Callable[[float], str] | None = None) -> Cell:
    """A number; one that nobody knows stands below all others."""
    if value is None:
        return "-", float("-inf")
    return (form or _count)(value), value


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _dollars(value: float | None) -> str:
    return "-" if value is None else f"{value:,.6f}".rstrip("0").rstrip(".")


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.2f}"
