"""Writes runs into the ledger: one, or many in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING

from theoryctl.ledger.row import COLUMNS, Row, is_number, is_text
from theoryctl.ledger.store import PATIENCE, changing, explained, is_due, opened
from theoryctl_providers.contract import ProviderError

if TYPE_CHECKING:
    from sqlite3 import Connection

    from theoryctl.ledger.content import Content

_INTO = f"INTO runs ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
_CONTENT = "INSERT OR REPLACE INTO contents VALUES (?, ?, ?, ?, ?, ?)"


class Writer:
    """Writes groups of rows. It keeps the ledger open in between: to open and close it is half of the cost."""

    def __init__(self) -> None:
        self._opened = ExitStack()
        self._connection: Connection | None = None

    def write(
        self, rows: Sequence[Row], contents: Mapping[str, Content] | None = None, *, seconds: float = PATIENCE
    ) -> str | None:
        """Write rows in one transaction, with contents by run id, and forget what is too old.

        It waits at most so many `seconds` for another process that writes.

        A row replaces what a server's log told of the same run. Return None, or a line on why nothing was written: a
        ledger that cannot be written, as on a full disk, fails no run.
        """
        try:
            with explained():
                self._write(self._ready(seconds), rows, contents or {})
        except ProviderError as error:
            self.close()
            runs = "this run is" if len(rows) == 1 else f"{len(rows)} runs are"
            return f"{runs} not in the ledger: {error.message}"
        return None

    def close(self) -> None:
        """Close the ledger; the next group opens it again."""
        self._connection = None
        with suppress(ProviderError):
            self._opened.close()

    def _ready(self, seconds: float) -> Connection:
        if self._connection is None:
            self._connection = self._opened.enter_context(opened(seconds=seconds))
        else:
            self._connection.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")
        return self._connection

    def _write(self, connection: Connection, rows: Sequence[Row], contents: Mapping[str, Content]) -> None:
        with changing(connection):
            _replace(connection, rows)
            if contents:
                connection.executemany(_CONTENT, _contents(contents))
        if is_due(connection):
            from theoryctl.ledger import retention

            retention.keep(connection)


def record_many(
    rows: Sequence[Row], contents: Mapping[str, Content] | None = None, *, seconds: float = PATIENCE
) -> str | None:
    """Write rows as `Writer.write` does, and close the ledger."""
    with closing(Writer()) as writer:
        return writer.write(rows, contents, seconds=seconds)


def take_in(connection: Connection, rows: Iterable[Row]) -> None:
    """Write rows of a server's log, but for runs that are known: whoever asked knew more. Raises sqlite3.Error."""
    connection.executemany(f"INSERT OR IGNORE {_INTO}", (row.values() for row in rows))


def _replace(connection: Connection, rows: Sequence[Row]) -> None:
    """Write rows over those that are there. Where a vendor told what SQLite cannot hold, as a count of 70 bits, that is
    null."""
    statement = f"INSERT OR REPLACE {_INTO}"
    try:
        connection.executemany(statement, (row.values() for row in rows))
    except (OverflowError, UnicodeEncodeError):  # SQLite's own check: one of ours would cost every row
        connection.executemany(statement, ([_held(value) for value in row.values()] for row in rows))


def _held(value: object) -> object:
    return value if is_text(value) or is_number(value) else None


def _contents(contents: Mapping[str, Content]) -> Iterable[tuple[object, ...]]:
    return ((run_id, *content) for run_id, content in contents.items())
