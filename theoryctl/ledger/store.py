"""The file of the ledger: one SQLite database in the state folder, for its user alone."""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing, contextmanager, suppress
from errno import EDQUOT, ENOSPC
from shlex import quote
from typing import TYPE_CHECKING

from theoryctl.errors import LedgerFailed, LedgerFull
from theoryctl.paths import file_lock, private_folder, state_dir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from sqlite3 import Connection as Connection

#: The version of the tables (`ledger.schema`), in SQLite's `user_version`.
VERSION = 3
#: Seconds to wait for another process that writes; a group of rows takes milliseconds.
PATIENCE = 2.0
#: What SQLite says on a full disk: the first where its file of shared memory has no room (`SQLITE_IOERR_SHMSIZE`).
_FULL = ("disk I/O error", "database or disk is full")
#: Bytes of the file, at most.
BYTES = 200 << 20
#: Bytes of the log of changes, at most, where nobody has the ledger open. SQLite bounds it only within a process:
#: whoever opens the ledger takes all of the log for new.
_LOG = 1 << 18


def path() -> Path:
    """Return the path of the file. Raises ForeignFolder."""
    return state_dir() / "ledger.db"


@contextmanager
def opened(*, seconds: float = PATIENCE) -> Iterator[Connection]:
    """Open the ledger, which is made where there is none, for statements and `changing`.

    Raises LedgerFailed (`ERR_LEDGER`), also for what SQLite refuses inside, and ForeignFolder.
    """
    file = path()
    with explained():
        import _sqlite3 as sqlite3

        if is_new := not file.exists():
            private_folder(file.parent)
            os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite's own files get the same mode
        with closing(sqlite3.connect(file, timeout=seconds, isolation_level=None)) as connection:
            # A kill takes nothing that is committed; a power cut may take the last rows (sqlite.org/wal.html).
            connection.execute("PRAGMA synchronous = NORMAL")
            if is_new or _version(connection) != VERSION:
                _prepare(connection, file)
            try:
                yield connection
            finally:
                _leave_log(connection, file)


def _leave_log(connection: Connection, file: Path) -> None:
    """Let the next process find the rows in the log, unless it is large: to move them into the main file waits for the
    disk, and to open the ledger reads the log. Python 3.11 cannot leave it."""
    if sys.version_info >= (3, 12):
        import _sqlite3 as sqlite3

        with suppress(FileNotFoundError):
            is_small = os.stat(f"{file}-wal").st_size < _LOG
            connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, is_small)


@contextmanager
def explained() -> Iterator[None]:
    """Raise what SQLite and the system refuse inside as LedgerFailed (`ERR_LEDGER`), values that SQLite cannot hold
    too, and a Python without SQLite."""
    try:
        # The package `sqlite3` is this module and converters of dates, which are a sixth of the cost of one row.
        import _sqlite3 as sqlite3
    except ImportError as error:
        hint = "install a Python with sqlite3, or set THEORYCTL_LEDGER to off"
        raise LedgerFailed(f"the ledger {path()}: {error}", hint=hint) from error
    try:
        yield
    except (sqlite3.Error, OSError, OverflowError, UnicodeEncodeError) as error:
        raise _failed(path(), error) from error


@contextmanager
def changing(connection: Connection) -> Iterator[None]:
    """Make one transaction of the statements inside, which sees no other's changes. Raises sqlite3.Error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def is_due(connection: Connection) -> bool:
    """Tell whether runs may have to be forgotten: on the first write of a day, and where the file is too large.

    Raises sqlite3.Error.
    """
    return is_first_today(connection) or size(connection) > BYTES


def is_first_today(connection: Connection) -> bool:
    """Tell whether nothing was forgotten for its age today. Raises sqlite3.Error."""
    found = connection.execute("SELECT value FROM notes WHERE name = 'retention'").fetchone()
    return found is None or found[0] != day()


def day(seconds: float | None = None, form: str = "%Y-%m-%d") -> str:
    """Return the day of a time in UTC, by default of now."""
    return time.strftime(form, time.gmtime(seconds))


def size(connection: Connection) -> int:
    """Return the bytes of the file. Raises sqlite3.Error."""
    pages, bytes_ = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return int(pages) * int(bytes_)


def _version(connection: Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _prepare(connection: Connection, file: Path) -> None:
    """Make the tables, or those of an older version new, unless another process has.

    One process does at a time: where two set the mode of the journal at once, SQLite refuses one of them without delay.
    """
    from theoryctl.ledger.schema import CHANGES, SCRIPT

    with file_lock(file.with_suffix(".lock"), seconds=PATIENCE):
        found = _version(connection)
        if found == VERSION:
            return
        if found > VERSION:
            raise OSError(f"it is of a newer theoryctl: version {found}, expected {VERSION}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before the first table, or never
        connection.execute("PRAGMA journal_mode = WAL")
        with changing(connection):
            steps = "".join(CHANGES[version] for version in range(found, VERSION)) if found else SCRIPT
            for statement in steps.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")


def _failed(file: Path, error: Exception) -> LedgerFailed:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or "another command makes it"
    is_full = reason in _FULL or getattr(error, "errno", None) in (ENOSPC, EDQUOT)
    look = "df -h" if is_full else "ls -l" if os.path.isdir(file.parent) else "ls -ld"
    folder = next(each for each in file.parents if os.path.isdir(each))
    kind = LedgerFull if is_full else LedgerFailed
    return kind(f"the ledger {file}: {reason}", hint=f"{look} {quote(str(folder))}")
