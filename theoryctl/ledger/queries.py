"""Questions to the ledger: which runs, which one, and the cost of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from theoryctl.errors import UsageError
from theoryctl.hints import command
from theoryctl.ledger.content import Content
from theoryctl.ledger.row import COLUMNS, Row
from theoryctl.ledger.schema import UNPRICED
from theoryctl.ledger.store import day

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from sqlite3 import Connection

#: The columns that costs can be grouped by.
GROUPS = {"day": "substr(started_at, 1, 10)", "model": "model", "ref": "ref", "mode": "mode", "source": "source"}

LAST = "last"

#: The largest integer of SQLite (sqlite.org/datatype3.html).
_MOST = 2**63 - 1
#: The word for the code of every failure.
ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Runs that are meant: of this ref, model, mode and code (`any` is every failure), that began after `since`.

    A model without a vendor's name is that of any vendor. `since` is in seconds since the epoch: a number of seconds
    until now would change while logs are taken in.
    """

    ref: str | None = None
    model: str | None = None
    mode: str | None = None
    code: str | None = None
    since: float | None = None

    def where(self) -> tuple[str, list[Any]]:
        """The condition in SQL, and its values."""
        found = [("1", ()), *self._conditions()]
        return " AND ".join(condition for condition, _ in found), [
            _held(value) for _, values in found for value in values
        ]

    def _conditions(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        for name in ("ref", "mode"):
            if (value := getattr(self, name)) is not None:
                yield f"{name} = ?", (value,)
        if self.model is not None and "/" not in self.model:
            yield "(model = ? OR substr(model, -length(?) - 1) = '/' || ?)", (self.model,) * 3
        elif self.model is not None:
            yield "model = ?", (self.model,)
        if self.code is not None:
            yield ("code IS NOT NULL", ()) if self.code == ANY else ("code = ?", (self.code,))
        if self.since is not None:
            yield "started_at >= ?", (day(self.since, "%Y-%m-%dT%H:%M:%S"),)


@dataclass(frozen=True, slots=True)
class Costs:
    """Sums over a group of runs. A sum is None where no run tells; `unpriced` are runs of unknown cost."""

    runs: int
    failed: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    unpriced: int


_SUMS = (
    "count(*), count(code), sum(input_tokens), sum(output_tokens), sum(cost_usd), "
    f"count(CASE WHEN {UNPRICED} THEN 1 END)"
)


def runs(connection: Connection, chosen: Filter, limit: int | None = None) -> Iterator[Row]:
    """Yield the runs that are meant, the newest first, at most `limit`."""
    where, values = chosen.where()
    query = f"SELECT {', '.join(COLUMNS)} FROM runs WHERE {where} ORDER BY started_at DESC, run_id LIMIT ?"
    for found in connection.execute(query, (*values, -1 if limit is None else min(limit, _MOST))):
        yield _row(found)


def count(connection: Connection, chosen: Filter) -> int:
    """Return the number of runs that are meant."""
    where, values = chosen.where()
    return int(connection.execute(f"SELECT count(*) FROM runs WHERE {where}", values).fetchone()[0])


def short(run_id: str) -> str:
    """Return the beginning of a run's id that tells it from others, and is enough for a command."""
    return run_id.removeprefix("run_")[:10]


def is_empty(connection: Connection) -> bool:
    """Tell whether there is no run at all."""
    return connection.execute("SELECT 1 FROM runs LIMIT 1").fetchone() is None


def one(connection: Connection, name: str) -> Row:
    """Return the run whose id begins so, with or without its `run_`; `last` is the newest.

    Raises UsageError where there is none, or several.
    """
    begin = _held(name if name.startswith("run_") else f"run_{name}")
    where, values = ("1", ()) if name == LAST else ("run_id >= ? AND run_id < ?", (begin, f"{begin}\U0010ffff"))
    query = f"SELECT {', '.join(COLUMNS)} FROM runs WHERE {where} ORDER BY started_at DESC, run_id LIMIT 2"
    found = connection.execute(query, values).fetchall()
    if not found and is_empty(connection):
        message = "the ledger is empty: runs in real mode fill it, those in mock mode do not by themselves"
        raise UsageError(message, hint="set THEORYCTL_LEDGER to mock, and run something")
    if not found:
        raise UsageError(f"the ledger has no run {name[:100]!r}", hint=command("runs list"))
    if len(found) > 1 and name != LAST:
        message = f"several runs begin with {name[:100]!r}: {found[0][0]}, {found[1][0]}"
        raise UsageError(message, hint=command("runs show", found[0][0]))
    return _row(found[0])


def content(connection: Connection, run_id: str) -> Content | None:
    """Return the content of a run; None where it was not kept."""
    query = f"SELECT {', '.join(Content._fields)} FROM contents WHERE run_id = ?"
    found = connection.execute(query, (run_id,)).fetchone()
    return Content(*found[:3], *map(bool, found[3:])) if found else None


def costs(connection: Connection, chosen: Filter, by: Sequence[str]) -> list[tuple[tuple[Any, ...], Costs]]:
    """Return sums for each group, with the group's values of `by`, which are names in GROUPS; sorted by those."""
    where, values = chosen.where()
    columns = ", ".join(GROUPS[name] for name in by)
    group = ", ".join(map(str, range(1, len(by) + 1)))
    query = f"SELECT {columns}, {_SUMS} FROM runs WHERE {where} GROUP BY {group} ORDER BY {group}"
    found = connection.execute(query, values).fetchall()
    return [(tuple(row[: len(by)]), Costs(*row[len(by) :])) for row in found]


def total(connection: Connection, chosen: Filter) -> Costs:
    """Return the sums over all runs that are meant."""
    where, values = chosen.where()
    return Costs(*connection.execute(f"SELECT {_SUMS} FROM runs WHERE {where}", values).fetchone())


def _held(value: str) -> str:
    """A text of a command line, which may be no UTF-8, as SQLite can hold it: no row has it then."""
    return value.encode(errors="surrogatepass").decode(errors="replace")


def _row(found: Sequence[Any]) -> Row:
    return Row(**dict(zip(COLUMNS, found, strict=True)))
