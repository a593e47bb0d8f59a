"""Standard input: it joins the prompt, or is the inputs or an attachment; read whole, and once."""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Callable, Iterator

#: Names of standard input where a path is expected.
NAMES = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")

#: The line for people where its end does not come.
AWAITED = "standard input is still open, and its end is awaited"

#: Seconds of silence after which people are told what is awaited.
PATIENCE = 1.0

_CHUNK = 1 << 16

#: Bytes that are read for nobody, so that a writer ends as usual and not by SIGPIPE, and the silence that ends it.
_MOST_DRAINED, _DRAINED_AFTER = 1 << 28, 0.2


class StandardInput:
    """Standard input of this process, for one reader.

    `tell` gets one line for people where nothing comes for a second. `used` tells whether bytes were read from it, so
    that the same command cannot simply be typed again.
    """

    def __init__(self, tell: Callable[[str], None] = lambda line: None) -> None:
        self._tell = tell
        self.used = False

    @property
    def is_given(self) -> bool:
        """Tell whether it is a pipe or a regular file: a terminal and /dev/null are there for every command."""
        kind = os.fstat(self._number).st_mode
        return stat.S_ISFIFO(kind) or stat.S_ISREG(kind)

    def has_bytes(self) -> bool:
        """Tell whether it is given and there are bytes to read now."""
        import fcntl
        import termios

        if not self.is_given:
            return False
        count = fcntl.ioctl(self._number, termios.FIONREAD, bytes(4))
        return int.from_bytes(count, sys.byteorder) > 0

    def chunks(self, awaited: str) -> Iterator[bytes]:
        """Read to its end. `awaited` is the line that `tell` gets."""
        told = False
        while True:
            if not told and not self._comes(PATIENCE):
                self._tell(awaited)
                told = True
            chunk = self._chunk()
            if not chunk:
                return
            yield chunk

    def drain(self) -> None:
        """Read what still comes through a pipe, for nobody: the command fails, and its writer should not fail too."""
        left = _MOST_DRAINED if stat.S_ISFIFO(os.fstat(self._number).st_mode) else 0
        while left > 0 and self._comes(_DRAINED_AFTER) and (chunk := self._chunk()):
            left -= len(chunk)

    @property
    def _number(self) -> int:
        return sys.stdin.fileno()

    def _comes(self, seconds: float) -> bool:
        return bool(select.select([self._number], [], [], seconds)[0])

    def _chunk(self) -> bytes:
        chunk = os.read(self._number, _CHUNK)
        self.used = self.used or bool(chunk)
        return chunk
