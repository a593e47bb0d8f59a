"""Figures of runs that are given, whether or not the ledger has them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing

from theoryctl.ledger.queries import Filter
from theoryctl.ledger.report.figures import Figures, figures
from theoryctl.ledger.row import Row
from theoryctl.ledger.schema import SCRIPT
from theoryctl.ledger.writer import take_in


def figures_of(rows: Iterable[Row]) -> Figures:
    """Return the figures of these runs; those of the same run_id count once. They are in a ledger that ends with the
    call, and lies on the disk where it is large (sqlite.org/inmemorydb.html, "Temporary Databases")."""
    import sqlite3

    with closing(sqlite3.connect("", isolation_level=None)) as connection:
        connection.executescript(f"BEGIN;{SCRIPT}")
        take_in(connection, rows)
        return figures(connection, Filter())
