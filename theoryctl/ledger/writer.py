"""Writes runs into the ledger: one, or many in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from theoryctl.ledger import retention
from theoryctl.ledger.row import COLUMNS, Content, Row
from theoryctl.ledger.store import PATIENCE, changing, opened
from theoryctl_providers.contract import ProviderError

if TYPE_CHECKING:
    from sqlite3 import Connection

_INTO = f"INTO runs ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
_CONTENT = "INSERT OR REPLACE INTO contents VALUES (?, ?, ?, ?, ?, ?)"


def record_many(
    rows: Sequence[Row], contents: Mapping[str, Content] | None = None, *, seconds: float = PATIENCE
) -> str | None:
    """Write rows in one transaction, with contents by run id, and forget what is too old.

    It waits at most so many `seconds` for another process that writes.

    A row replaces what a server's log told of the same run. Return None, or a line on why nothing was written: a ledger
    that cannot be written, as on a full disk, fails no run.
    """
    try:
        with opened(seconds=seconds) as connection:
            with changing(connection):
                connection.executemany(f"INSERT OR REPLACE {_INTO}", rows)
                connection.executemany(_CONTENT, _contents(contents or {}))
            retention.keep(connection)
    except ProviderError as error:
        runs = "this run is" if len(rows) == 1 else f"{len(rows)} runs are"
        return f"{runs} not in the ledger: {error.message}"
    return None


def take_in(connection: Connection, rows: Iterable[Row]) -> None:
    """Write rows of a server's log, but for runs that are known: whoever asked knew more. Raises sqlite3.Error."""
    connection.executemany(f"INSERT OR IGNORE {_INTO}", rows)


def _contents(contents: Mapping[str, Content]) -> Iterable[tuple[object, ...]]:
    return ((run_id, *content) for run_id, content in contents.items())
