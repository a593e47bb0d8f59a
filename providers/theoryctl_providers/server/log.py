"""The log of a server: a line a request on standard error, in a file of bounded size where one is named."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress

#: Files that are kept: the one that is written, and older ones as `NAME.1`, `NAME.2`; as many as of a container.
FILES = 3


class Log:
    """Writes whole lines to standard error, whatever else writes there.

    With a `path`, which is that of the file which standard error is, the file makes room for a new one when it has
    more than `most` bytes. Then it runs the command `rotated`, so that somebody can read the older file before it goes.
    Lines that cannot be written, as on a full disk, are dropped.
    """

    def __init__(self, path: str | None = None, most: int = 0, rotated: Sequence[str] | None = None) -> None:
        self._path, self._most, self._rotated = path, most, rotated
        self._torn = False
        self._reader: subprocess.Popen[bytes] | None = None

    def line(self, line: str) -> None:
        """Write one line."""
        data = f"{line}\n".encode(errors="replace")
        with suppress(OSError):
            if self._path is not None and os.fstat(2).st_size > self._most:
                self._rotate(self._path)
                self._tell()
            data = b"\n" + data if self._torn else data
            self._torn = os.write(2, data) < len(data)

    def _tell(self) -> None:
        """Start the command, unless it runs still: a slow reader sees the next file as well."""
        if self._rotated and (self._reader is None or self._reader.poll() is not None):
            quiet = subprocess.DEVNULL
            self._reader = subprocess.Popen(self._rotated, stdin=quiet, stdout=quiet, stderr=quiet)

    def _rotate(self, path: str) -> None:
        # Another server may have the file by now: one that drains still writes where it began.
        if not os.path.samestat(os.stat(path), os.fstat(2)):
            return
        for number in range(FILES - 1, 0, -1):
            with suppress(FileNotFoundError):
                os.replace(f"{path}.{number - 1}" if number > 1 else path, f"{path}.{number}")
        fresh = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for stream in (1, 2):
            os.dup2(fresh, stream)
        os.close(fresh)
