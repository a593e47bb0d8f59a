"""The file that the lines of a batch come from: read once to check them all, and again to ask."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Self

from theoryctl.errors import BadInputs, OutputFailed
from theoryctl.hints import again, path_hint
from theoryctl.requests.standard_input import NAMES, StandardInput
from theoryctl_providers.contract.files import open_regular

#: Bytes of one line, at most.
LONGEST_LINE = 64 << 20

_CHUNK = 1 << 20
_AWAITED = "standard input is still open, and its end is awaited: all lines are checked before the first call"


class Source:
    """Lines of a regular file. What is not one is copied to a temporary file first, which nobody else can open."""

    def __init__(self, name: str, file: BinaryIO, folder: str) -> None:
        """`folder` is the one that paths in the lines are relative to."""
        self.name, self.folder = name, folder
        self._file = file
        self._seen = self._now()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode of the file."""
        found = os.fstat(self._file.fileno())
        return found.st_dev, found.st_ino

    def lines(self) -> Iterator[bytes]:
        """Yield every line with its end, from the first. Raises BadInputs for one that is too long."""
        self._file.seek(0)
        number = 0
        while line := self._file.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                message = f"{self.name} line {number}: expected at most {LONGEST_LINE >> 20} MiB"
                raise BadInputs(message, hint="give large files as attachments")
            yield line

    def read(self, start: int, end: int) -> bytes:
        """Read the bytes of a line again."""
        return os.pread(self._file.fileno(), end - start, start)

    def check_unchanged(self) -> None:
        """Raise BadInputs where the file has changed since it was opened."""
        if self._now() != self._seen:
            raise BadInputs(f"{self.name} was changed while it was read", hint="run it again")

    def _now(self) -> tuple[int, int]:
        found = os.fstat(self._file.fileno())
        return found.st_size, found.st_mtime_ns


def open_source(path: str, standard_input: StandardInput) -> Source:
    """Open the lines at a path, or those of standard input for `-`. Raises BadInputs."""
    if path in NAMES:
        return Source("standard input", _copied(standard_input.chunks(_AWAITED)), os.getcwd())
    try:
        file = open(open_regular(path), "rb", buffering=_CHUNK)  # noqa: SIM115  # for as long as the batch runs
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = path_hint(str(path), error, lambda near: again(f"use {near}", source=near))
        raise BadInputs(f"{path}: {reason}", hint=hint) from None
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return Source(path, file, os.path.dirname(os.path.abspath(path)))
    with file:
        return Source(path, _copied(iter(lambda: file.read(_CHUNK), b"")), os.getcwd())


def _copied(chunks: Iterable[bytes]) -> BinaryIO:
    """Copy lines that can be read once only. Raises OutputFailed."""
    import tempfile

    try:
        copy = tempfile.TemporaryFile()  # noqa: SIM115  # for as long as the batch runs
        for chunk in chunks:
            copy.write(chunk)
        copy.flush()
    except OSError as error:
        message = f"the lines cannot be copied to a temporary file: {error.strerror}"
        raise OutputFailed(message, hint="set TMPDIR to a folder with space, or give the lines as a file") from error
    return copy
