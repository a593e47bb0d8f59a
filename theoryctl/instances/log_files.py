"""The log of a server on this machine: the file that it writes, and the older ones that made room for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from theoryctl.instances.lines import Lines
from theoryctl_providers.contract import open_regular

#: Files that a server keeps: `NAME.2`, `NAME.1` and `NAME` (theoryctl_providers.server.log).
_FILES = 3
#: Bytes that are read at once.
_PIECE = 1 << 16


def log_paths(record: Path) -> tuple[Path, Path]:
    """Return the paths of the log of a record's server, and of the server's that takes its place while it runs.

    No name that an instance may have ends in `+`.
    """
    return record.with_suffix(".log"), record.with_name(f"{record.stem}+.log")


def record_of_log(path: Path) -> Path:
    """Return the path of the record that a log belongs to."""
    return path.with_name(f"{path.stem.removesuffix('+')}.json")


def forget_log(path: str) -> None:
    """Remove the files of a log that nobody writes, as far as there are any. Raises OSError."""
    for end in ("", *(f".{number}" for number in range(1, _FILES))):
        with suppress(FileNotFoundError):
            os.unlink(f"{path}{end}")


def opened_anew(path: str) -> int:
    """Open the log of a server that is to start: empty, private, and written at its end whoever else writes there.

    Raises OSError.
    """
    for number in range(1, _FILES):
        with suppress(FileNotFoundError):
            os.unlink(f"{path}.{number}")
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)


def log_lines(path: str, goes_on: Callable[[], bool], *, unfinished: bool = True) -> Generator[str]:
    """Yield the lines of a log without their ends, the oldest first; while it `goes_on`, also those still to come.

    With `unfinished`, also a last line that has no line end yet.
    Raises OSError where there is none.
    """
    lines = Lines()
    for number in range(_FILES - 1, 0, -1):
        with suppress(FileNotFoundError), _opened(f"{path}.{number}") as file:
            yield from _read(file, lines)
    file = _opened(path)
    try:
        while True:
            is_last = not goes_on()  # asked first: what is written until it says no is read below
            yield from _read(file, lines)
            if _was_replaced(path, file):
                # Written to its end before it was: what is left of it comes first.
                yield from _read(file, lines)
                file.close()
                file = _opened(path)
            elif is_last:
                break
            else:
                time.sleep(0.1)
        if unfinished:
            yield from lines.end()
    finally:
        file.close()


def _opened(path: str) -> IO[bytes]:
    return open(open_regular(path), "rb")


def _read(file: IO[bytes], lines: Lines) -> Iterator[str]:
    while piece := file.read(_PIECE):
        yield from lines.of(piece)


def _was_replaced(path: str, file: IO[bytes]) -> bool:
    """True where another file has the name by now; False in the moment in which none has."""
    try:
        return not os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
