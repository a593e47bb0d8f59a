"""Retention: what the ledger forgets by itself, and on request."""

from __future__ import annotations

import os
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from theoryctl.ledger.store import BYTES, PATIENCE, changing, day, explained, is_first_today, opened, path, size
from theoryctl.paths import file_lock

if TYPE_CHECKING:
    from sqlite3 import Connection

#: Runs are kept for so many seconds, and as long as the file has at most so many bytes (`store.BYTES`).
SECONDS = 90 * 86400
#: Memory of what is forgotten, by tables that keep it: the cost of those runs of today that nothing was reserved for,
#: and the ids of runs that a server's log may tell of, which is read from its beginning each time.
_KEPT = {
    "charges": """
SELECT run_id, :today, cost_usd FROM runs WHERE started_at >= :today AND cost_usd > 0 AND mode IS NOT 'mock'
""",
    "forgotten": "SELECT run_id, :today FROM runs WHERE runtime IS NOT 'embedded'",
}
#: Runs to forget: those before a time, and so many of the oldest.
_BEFORE = "SELECT run_id FROM runs WHERE started_at < :bound"
_OLDEST = "SELECT run_id FROM runs ORDER BY started_at LIMIT :bound"
#: The part of the runs that makes room at once: each time costs a look at all of them.
_PART = 10


def keep(connection: Connection, *, most: int = BYTES) -> None:
    """Forget runs that are too old, once a day, and the oldest where the file is too large. Raises sqlite3.Error."""
    if is_first_today(connection):
        with changing(connection):
            forget(connection, time.time() - SECONDS)
            connection.execute("INSERT OR REPLACE INTO notes VALUES ('retention', ?)", (day(),))
    while size(connection) > most and _forget_oldest(connection):
        connection.executescript("PRAGMA incremental_vacuum")  # execute() would free one page


def forget(connection: Connection, before: float) -> int:
    """Forget runs that began before a time, in seconds since the epoch, and return their number.

    What those of today have cost still counts for the budget of the day.
    """
    text = day(before, "%Y-%m-%dT%H:%M:%SZ")
    forgotten = _forget(connection, _BEFORE, text)
    connection.execute("DELETE FROM charges WHERE day < ?", (min(text[:10], day()),))
    connection.execute("DELETE FROM forgotten WHERE day < ?", (day(time.time() - SECONDS),))
    return forgotten


def cut_off() -> int:
    """Forget all runs where the disk has no room for a change of the file, and return their number.

    The file is emptied in place, while nobody else has it open; what `forget` keeps is written into it anew. Raises
    LedgerFailed, also where another process has it open.
    """
    file, found = path(), dict[str, list[tuple[Any, ...]]]()
    with explained(), file_lock(file.with_suffix(".lock"), seconds=PATIENCE):
        import _sqlite3 as sqlite3

        with closing(sqlite3.connect(file, timeout=PATIENCE, isolation_level=None)) as connection:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # it needs no file of shared memory either
            number = connection.execute("SELECT count(*) FROM runs").fetchone()[0]
            for table in ("notes", *_KEPT):
                found[table] = connection.execute(f"SELECT * FROM {table}").fetchall()
            for table, memory in _KEPT.items():
                found[table] += connection.execute(memory, {"today": day()}).fetchall()
            os.truncate(file, 0)  # first: SQLite removes the log of an empty file (`pagerOpenWalIfPresent`, pager.c)
            with suppress(FileNotFoundError):
                os.truncate(f"{file}-wal", 0)
    with opened() as connection, changing(connection):
        for table, rows in found.items():
            for row in rows:
                connection.execute(f"INSERT OR IGNORE INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    return int(number)


def _forget_oldest(connection: Connection) -> bool:
    with changing(connection):
        number = connection.execute("SELECT count(*) FROM runs").fetchone()[0]
        return _forget(connection, _OLDEST, number // _PART + 1) > 0


def _forget(connection: Connection, chosen: str, bound: str | int) -> int:
    values = {"today": day(), "bound": bound}
    for table, memory in _KEPT.items():
        connection.execute(f"INSERT OR IGNORE INTO {table} {memory} AND run_id IN ({chosen})", values)
    connection.execute(f"DELETE FROM contents WHERE run_id IN ({chosen})", values)
    return connection.execute(f"DELETE FROM runs WHERE run_id IN ({chosen})", values).rowcount
