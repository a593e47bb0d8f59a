"""Lines of logs, out of pieces that begin and end anywhere."""

from __future__ import annotations

from collections.abc import Iterator

#: Bytes of a line, at most: a program may write for ever without ending one.
LONGEST = 1 << 20


class Lines:
    """Puts lines together. One of more than LONGEST bytes is several, cut between characters."""

    def __init__(self) -> None:
        self._rest = b""

    def of(self, piece: bytes) -> Iterator[str]:
        """Yield the lines that end in a piece, without their ends, and what is too long to wait for its end."""
        *lines, rest = (self._rest + piece).split(b"\n")
        for line in lines:
            yield from map(_text, _parts(line))
        *begun, self._rest = _parts(rest)
        yield from map(_text, begun)

    def end(self) -> Iterator[str]:
        """Yield the line that has no end, if there is one."""
        rest, self._rest = self._rest, b""
        if rest:
            yield _text(rest)


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
