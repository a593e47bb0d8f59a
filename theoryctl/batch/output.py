"""The output of a batch: a file that is resumed from itself."""

from __future__ import annotations

import fcntl
import os
import stat
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol, Self

from theoryctl.batch.resume import Earlier, mend, whole_lines
from theoryctl.batch.rows import RowFormat
from theoryctl.errors import OutputFailed, UsageError
from theoryctl.hints import again, make_folder
from theoryctl_providers.contract.files import is_place_of_file


class Output(Protocol):
    """Takes the rows of a batch, by the index of their lines."""

    #: Rows that were there before.
    earlier: Earlier

    def put(self, index: int, row: bytes) -> None:
        """Take a row. It is lost to nobody once `flush` has returned."""
        ...

    def flush(self) -> None:
        """Write what was taken, at once. Raises OutputFailed."""
        ...

    def finish(self, *, ordered: bool) -> None:
        """Write the rest; `ordered`: by the numbers of the lines."""
        ...

    def rows(self) -> Iterator[bytes]:
        """Yield the rows that were there before."""
        ...

    def close(self) -> None:
        """Give it back; a file that has got nothing is removed."""
        ...


class RowsInUse(UsageError):
    """A file of rows that another batch writes to."""


class OutputFile:
    """A file of rows, which one batch at a time writes to."""

    def __init__(self, path: str, form: RowFormat) -> None:
        """Open the file, and read the rows that are there. A torn last row is mended.

        Raises UsageError for a file that holds something else, which is left as it is, or that another batch writes to,
        and OutputFailed.
        """
        self._path, self._form = path, form
        self._real = os.path.realpath(path)  # a link stays one where the file is replaced
        self._is_new = not os.path.exists(path)
        self._file = _opened(path)
        self._taken: list[bytes] = []
        self._size = 0
        try:
            self.earlier = self._read()
            self._mend()
            if self.earlier.is_stale:  # a batch was killed that asked failures again
                self._rewrite(self._kept())
                self.earlier = self._read()
            self._size = self._bytes()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode of the file."""
        found = os.fstat(self._file.fileno())
        return found.st_dev, found.st_ino

    def retry_failed(self) -> None:
        """Have the lines of failures asked again. Their rows stay until others come in their place."""
        if self.earlier.failed:
            self.earlier = self._read(retries=True)

    def tell_asked_again(self) -> None:
        """Have the rows of failures say that their lines are asked again, if they are, as the answers may come to
        another command. Raises OutputFailed."""
        if self.earlier.retries:
            self._rewrite(self._asked_again())
            self.earlier.retries = False  # the rows say it now

    def put(self, index: int, row: bytes) -> None:
        self._taken.append(row)

    def flush(self) -> None:
        data, self._taken = memoryview(b"".join(self._taken)), []
        written = 0
        with _told(self._path):
            try:
                while written < len(data):
                    written += os.write(self._file.fileno(), data[written:])
            except OSError:
                self._size += written - self._cut(data[:written].tobytes())
                raise
        self._size += written

    def _cut(self, written: bytes) -> int:
        """Take away the beginning of a row, of which the disk had no room for the rest, and return its bytes."""
        torn = len(written) - written.rfind(b"\n") - 1
        os.ftruncate(self._file.fileno(), self._bytes() - torn)
        return torn

    def finish(self, *, ordered: bool) -> None:
        self.flush()
        self._check_own()
        if self.earlier.is_stale:
            self._rewrite(self._kept())
        if not ordered:
            return
        places, numbers = array("Q"), array("Q")
        for place, line in whole_lines(self._file):
            places.append(place)
            numbers.append(self._form.number(line))
        by_number = sorted(range(len(places)), key=numbers.__getitem__)
        if any(at != index for index, at in enumerate(by_number)):
            self._rewrite(self._at(places[at] for at in by_number))

    def _check_own(self) -> None:
        """Write the rows again if the file was removed while the batch ran: they were paid for. Raises OutputFailed
        where another program has moved, replaced or changed it: a lock holds only those that ask for it."""
        found = os.fstat(self._file.fileno())
        if found.st_nlink == 0:
            self._write_removed()
        elif not _is_at(self._real, self._file.fileno()):
            hint = again("run it again").after("move it back")
            raise OutputFailed(f"{self._path}: it was moved while the batch ran, with its rows", hint=hint)
        elif found.st_size != self._size:
            message = (
                f"{self._path}: another program has changed it: expected {self._size:,} bytes, got {found.st_size:,}"
            )
            raise OutputFailed(message, hint=again("run it again"))

    def _write_removed(self) -> None:
        is_free = not os.path.lexists(self._real)
        if not is_free:
            self._real = f"{self._real}.{os.getpid()}"
        self._rewrite(self.rows())
        if not is_free:
            message = f"{self._path}: another file came in its place while the batch ran; the rows are in {self._real}"
            raise OutputFailed(message, hint=again("run it again", out=self._real))

    def _bytes(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def rows(self) -> Iterator[bytes]:
        for _, line in whole_lines(self._file):
            yield line

    def keep(self) -> None:
        """Leave the file there though it has got nothing: a batch without lines has a file without rows."""
        self._is_new = False

    def close(self) -> None:
        if self._is_new and os.fstat(self._file.fileno()).st_size == 0:
            os.unlink(self._real)
        self._file.close()

    def _kept(self) -> Iterator[bytes]:
        """The rows in whose place no other has come."""
        return (line for line in self.rows() if not self.earlier.is_replaced(self._form.read(line)))

    def _asked_again(self) -> Iterator[bytes]:
        """All rows, those of earlier failures as rows whose line is asked again."""
        for line in self.rows():
            yield self._form.ask_again(line) if self.earlier.is_failure(self._form.read(line)) else line

    def _at(self, places: Iterable[int]) -> Iterator[bytes]:
        for place in places:
            self._file.seek(place)
            yield self._file.readline()

    def _read(self, *, retries: bool = False) -> Earlier:
        earlier = Earlier(retries)
        for number, (_, line) in enumerate(whole_lines(self._file), 1):
            try:
                earlier.add(self._form.read(line))
            except ValueError:
                raise self._foreign(number) from None
        return earlier

    def _mend(self) -> None:
        """Mend a torn last row, once all others are known to be rows. Raises UsageError where it is something else."""
        with _told(self._path):
            try:
                row = mend(self._file, self._form)
            except ValueError:
                raise self._foreign(self.earlier.rows + 1) from None
        if row is not None:
            self.earlier.add(row)

    def _foreign(self, number: int) -> UsageError:
        message = f"{self._path} line {number}: expected a row of a batch, in the form that is asked for"
        return UsageError(message, hint=again("give another file with --out", out=f"{self._path}.new"))

    def _rewrite(self, rows: Iterable[bytes]) -> None:
        """Replace the file by one that has only these rows. Raises OutputFailed."""
        with _told(self._path):
            self._replace(rows)

    def _replace(self, rows: Iterable[bytes]) -> None:
        import tempfile

        folder, name = os.path.split(self._real)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
        try:
            with open(handle, "wb") as copy:
                copy.writelines(rows)
            os.chmod(temporary, stat.S_IMODE(os.fstat(self._file.fileno()).st_mode))
            new = _opened(temporary)
            os.replace(temporary, self._real)
        except BaseException:
            os.unlink(temporary)
            raise
        self._file.close()
        self._file = new
        self._size = self._bytes()


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Raise OutputFailed for an OSError while a file of rows is written."""
    try:
        yield
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}; what it holds is whole"
        raise OutputFailed(message, hint=again("free some space, and run it again")) from error


def _opened(path: str) -> BinaryIO:
    """A file to read and append to, locked. Raises RowsInUse, OutputFailed, and UsageError for a pipe or a device."""
    if not (is_place_of_file(path) or os.path.isdir(path) or os.path.realpath(path) == os.devnull):
        message = f"--out {path}: expected a regular file, which a batch is resumed from, got a pipe or a device"
        raise UsageError(message, hint=again("write to standard output", out="-"))
    while True:
        try:
            number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise OutputFailed(f"{path} cannot be written: {error.strerror}", hint=_place_hint(path)) from None
        file = open(number, "r+b")  # noqa: SIM115  # for as long as the batch runs
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            message = f"{path}: another batch is writing to it"
            raise RowsInUse(message, hint="wait for the other one, or give another file") from None
        if _is_at(path, number):
            return file
        file.close()  # the other one has removed or replaced it before it gave up the lock


def _place_hint(path: str) -> str:
    return make_folder(os.path.dirname(path), otherwise="give another path")


def _is_at(path: str, number: int) -> bool:
    """Tell whether an open file is the one at a path."""
    try:
        return os.path.samestat(os.fstat(number), os.stat(path))
    except FileNotFoundError:
        return False
