"""Figures of a report: the numbers behind its plots and tables, as the ledger has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from theoryctl.ledger import queries
from theoryctl.ledger.queries import Costs, Filter
from theoryctl.ledger.row import Row

if TYPE_CHECKING:
    from theoryctl.ledger.store import Connection

#: The percentiles of latency that are shown.
PERCENTILES = (50, 90, 99)
#: The newest runs are listed, at most so many: with them a page has less than a megabyte.
MOST_RUNS = 1000

UNKNOWN = "unknown"

#: Numbers by the label of a series, each by the label of a place on the axis.
Series = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of a model's successful runs, whole and to the first piece, at each of PERCENTILES."""

    runs: int
    whole: tuple[float | None, ...]
    first_token: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """All numbers of a report. `costs` are the sums by model, as `total` is of all; days are those of UTC."""

    total: Costs
    costs: Sequence[tuple[str, Costs]]
    cost_by_day: Series
    tokens_by_day: Series
    latency: Sequence[tuple[str, Latency]]
    failures: Sequence[tuple[str, int]]
    runs: Sequence[Row]


def figures(connection: Connection, chosen: Filter) -> Figures:
    """Return the figures of the runs that are meant."""
    found = queries.costs(connection, chosen, ("day", "model"))
    by_day = [(day, model or UNKNOWN, sums) for (day, model), sums in found]
    return Figures(
        total=queries.total(connection, chosen),
        costs=[(model or UNKNOWN, sums) for (model,), sums in queries.costs(connection, chosen, ("model",))],
        cost_by_day=_series((model, day, sums.cost_usd) for day, model, sums in by_day),
        tokens_by_day=_series(_tokens(by_day)),
        latency=list(_latency(queries.runs(connection, chosen))),
        failures=_failures(connection, chosen),
        runs=list(queries.runs(connection, chosen, MOST_RUNS)),
    )


def percentile(values: Sequence[float], percent: int) -> float | None:
    """Return the smallest of sorted values that `percent` of them do not exceed (nearest rank); None for no values."""
    return values[max(0, -(-len(values) * percent // 100) - 1)] if values else None


def _tokens(by_day: Iterable[tuple[str, str, Costs]]) -> Iterator[tuple[str, str, int | None]]:
    for day, _, sums in by_day:
        yield "input", day, sums.input_tokens
        yield "output", day, sums.output_tokens


def _series(points: Iterable[tuple[str, str, float | None]]) -> Series:
    """Add up the known numbers of each series at each place."""
    found: dict[str, dict[str, float]] = {}
    for label, place, value in points:
        if value is not None:
            at = found.setdefault(label, {})
            at[place] = at.get(place, 0) + value
    return found


def _latency(rows: Iterable[Row]) -> Iterator[tuple[str, Latency]]:
    whole: dict[str, list[float]] = defaultdict(list)
    first: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row.code is None and row.duration_ms is not None:
            whole[row.model or UNKNOWN].append(row.duration_ms)
            if row.first_token_ms is not None:
                first[row.model or UNKNOWN].append(row.first_token_ms)
    for model in sorted(whole):
        yield model, Latency(len(whole[model]), _percentiles(whole[model]), _percentiles(first[model]))


def _percentiles(values: list[float]) -> tuple[float | None, ...]:
    values.sort()
    return tuple(percentile(values, percent) for percent in PERCENTILES)


def _failures(connection: Connection, chosen: Filter) -> list[tuple[str, int]]:
    """The number of runs by code, the most frequent first."""
    where, values = chosen.where()
    query = f"SELECT code, count(*) FROM runs WHERE {where} AND code IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"
    found: list[Any] = connection.execute(query, values).fetchall()
    return found
