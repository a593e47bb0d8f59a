"""Figures of runs that are given, whether or not the ledger has them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from datetime import datetime

from theoryctl.ledger.log_rows import is_number, is_text
from theoryctl.ledger.queries import Filter
from theoryctl.ledger.recorder import take_in
from theoryctl.ledger.report.figures import Figures, figures
from theoryctl.ledger.row import COLUMNS, USAGE, Row
from theoryctl.ledger.schema import SCRIPT

#: Columns of numbers; all others are of texts.
_NUMBERS = frozenset((*USAGE, "duration_ms", "loading_ms", "first_token_ms"))

#: Columns that are never null.
_NEEDED = frozenset(("run_id", "started_at", "source"))


def figures_of(rows: Iterable[Row]) -> Figures:
    """Return the figures of these runs; those of the same run_id count once. They are in a ledger that ends with the
    call, and lies on the disk where it is large (sqlite.org/inmemorydb.html, "Temporary Databases")."""
    import sqlite3

    with closing(sqlite3.connect("", isolation_level=None)) as connection:
        connection.executescript(f"BEGIN;{SCRIPT}")
        take_in(connection, rows)
        return figures(connection, Filter())


def check_types(row: Row) -> None:
    """Raise TypeError where a value of a row has another type than its column, or is one that SQLite cannot hold, and
    ValueError where its time is none."""
    for name in COLUMNS:
        value = getattr(row, name)
        if value is None and name not in _NEEDED:
            continue
        kind, fits = ("number", is_number) if name in _NUMBERS else ("text", is_text)
        if not fits(value):
            raise TypeError(f"{name}: expected a {kind}, got {value!r:.50}")
    datetime.fromisoformat(row.started_at)
