"""Lines of logs, out of pieces that begin and end anywhere."""

from __future__ import annotations

from collections.abc import Iterator

#: Bytes of a line, at most: a program may write for ever without ending one.
LONGEST = 1 << 20


class Lines:
    """Puts lines together that end as in a file read as text: with a line feed, a carriage return, or both.

    One of more than LONGEST bytes is several, cut between characters.
    """

    def __init__(self) -> None:
        self._rest = b""

    def of(self, piece: bytes) -> Iterator[str]:
        """Yield the lines that end in a piece, without their ends, and what is too long to wait for its end."""
        lines = (self._rest + piece).splitlines(keepends=True)
        rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        for line in lines:
            yield from map(_text, _parts(_without_end(line)))
        # The line feed of a carriage return may begin the next piece.
        begun = list(_parts(_without_end(rest)))
        self._rest = begun.pop() + rest[len(_without_end(rest)) :]
        yield from map(_text, begun)

    def end(self) -> Iterator[str]:
        """Yield the line that has no end, if there is one."""
        rest, self._rest = self._rest, b""
        if rest:
            yield _text(_without_end(rest))


def _without_end(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _parts(line: bytes) -> Iterator[bytes]:
    begin = 0
    while len(line) - begin > LONGEST:
        end = begin + LONGEST
        # RFC 3629: the bytes of a character after its first one, of which there are three at most.
        while line[end] & 0xC0 == 0x80 and end > begin + LONGEST - 3:
            end -= 1
        yield line[begin:end]
        begin = end
    yield line[begin:]


def _text(line: bytes) -> str:
    return line.decode(errors="replace")
