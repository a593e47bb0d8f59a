"""The standard streams: which of them get colour and layout, and failures to write to them."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

from theoryctl.errors import OutputFailed

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from rich.console import Console


class Wanted:
    """The wishes of the command line for what is shown on both streams."""

    def __init__(self) -> None:
        self.colour, self.quiet = True, False


#: What is wanted in this process: it has one command line, as it has one standard output.
WANTED = Wanted()


def is_rich(stream: TextIO) -> bool:
    """Tell whether a stream gets colour and layout: it is a terminal that can show them, or FORCE_COLOR
    (force-color.org) or CLICOLOR_FORCE (bixense.com/clicolors) is set to something else than 0."""
    if any((os.environ.get(name) or "0") != "0" for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return os.environ.get("TERM") != "dumb" and stream.isatty()


def is_styled(stream: TextIO) -> bool:
    """Tell whether a text can be told from another by its style: the stream `is_rich`, and NO_COLOR is not set."""
    return is_rich(stream) and not os.environ.get("NO_COLOR")


def is_seen(stream: TextIO) -> bool:
    """Tell whether a terminal gets the text, so that characters which it would obey have to be escaped."""
    return stream.isatty() or is_rich(stream)


def console(stream: TextIO) -> Console:
    """Rich's console for a stream that `is_rich`, without colours where they are not wanted or NO_COLOR is set
    (no-color.org)."""
    from theoryctl.terminal.rich_layout import make_console

    return make_console(stream, colour=WANTED.colour and not os.environ.get("NO_COLOR"))


class ReaderGone(Exception):
    """Standard output is a pipe that nobody reads any more."""


class _Output(io.FileIO):
    """Standard output: a failure to write is raised once, and the rest dropped, so that nothing complains at exit."""

    _lost = False

    def write(self, data: ReadableBuffer, /) -> int:
        if self._lost:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except OSError as error:
            self._lost = True
            if isinstance(error, BrokenPipeError):
                raise ReaderGone from None
            hint = "free some space, or send the output elsewhere"
            raise OutputFailed(f"standard output cannot be written: {error.strerror}", hint=hint) from error


class _Errors(io.FileIO):
    """Standard error: text that cannot be written is dropped, because it must not cost the result."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def open_streams() -> None:
    """Make the standard streams safe to use: one that was closed is os.devnull, to which no result can be written."""
    # In this order, for a file that is opened takes the lowest number that is free.
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: SIM115  # for as long as the process runs
    sys.stdout, sys.stderr = _opened(sys.stdout, _Output), _opened(sys.stderr, _Errors)


def _opened(stream: TextIO | None, kind: type[io.FileIO]) -> TextIO:
    if stream is not None and isinstance(getattr(stream.buffer, "raw", None), kind):
        return stream
    # Opened for reading, as a closed one is: writing to it fails with EBADF.
    number = os.open(os.devnull, os.O_RDONLY) if stream is None else stream.fileno()
    buffer = io.BufferedWriter(kind(number, "w", closefd=False))
    # The same bytes whatever the locale; a terminal that cannot show a character gets an escape for it.
    return io.TextIOWrapper(buffer, "utf-8", "backslashreplace", newline="\n", line_buffering=True)
