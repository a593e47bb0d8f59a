"""The output of a batch that is a stream, such as standard output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Self

from theoryctl.batch.resume import Earlier
from theoryctl.errors import OutputFailed
from theoryctl.hints import again

#: Writes bytes to a stream.
Write = Callable[[bytes], None]


class OutputStream:
    """A stream of rows, as they come or in the order of their lines."""

    def __init__(self, write: Write, order: Iterable[int] | None = None) -> None:
        """`order` are the indexes of all lines that get a row, in their order; None: as they come."""
        self.earlier = Earlier()
        self._write = write
        self._order = iter(order) if order is not None else None
        self._next = next(self._order, None) if self._order is not None else None
        self._taken: list[bytes] = []
        self._waiting: dict[int, tuple[int, int]] = {}
        self._store: BinaryIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def put(self, index: int, row: bytes) -> None:
        if self._order is None:
            self._taken.append(row)
        elif index != self._next:
            self._keep(index, row)
        else:
            self._taken.append(row)
            self._advance()

    def flush(self) -> None:
        data, self._taken = b"".join(self._taken), []
        if data:
            self._write(data)

    def finish(self, *, ordered: bool) -> None:
        for index in sorted(self._waiting):
            self._taken.append(self._kept(index))
        self.flush()

    def rows(self) -> Iterator[bytes]:
        return iter(())

    def close(self) -> None:
        if self._store is not None:
            self._store.close()

    def _advance(self) -> None:
        assert self._order is not None
        self._next = next(self._order, None)
        while self._next in self._waiting:
            self._taken.append(self._kept(self._next))
            self._next = next(self._order, None)

    def _keep(self, index: int, row: bytes) -> None:
        """Put a row aside on the disk: the one that all wait for may take long. Raises OutputFailed, once all that wait
        are written: they were paid for. Rows are written as they come then."""
        try:
            self._waiting[index] = self._stored(row), len(row)
        except OSError as error:
            self.finish(ordered=True)
            self._write(row)
            self._order = None
            message = f"--ordered: rows that wait cannot be written to a temporary file: {error.strerror}"
            hint = again("leave --ordered out, or set TMPDIR to a folder with space", ordered=None)
            raise OutputFailed(message, hint=hint) from error

    def _stored(self, row: bytes) -> int:
        """Write a row to the temporary file, and return its place. Raises OSError."""
        if self._store is None:
            import tempfile

            self._store = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # for as long as the batch runs
        place, written = self._store.seek(0, 2), 0
        while written < len(row):
            written += self._store.write(row[written:])
        return place

    def _kept(self, index: int) -> bytes:
        assert self._store is not None
        place, length = self._waiting.pop(index)
        self._store.seek(place)
        return self._store.read(length)
