"""Files that are there whole or not at all, and the one way to read a file that somebody else may have made."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: Descriptors that the caller holds open, as the shell's `<(command)` names them.
_HANDED_OVER = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")


def read_regular(path: str | Path, limit: int) -> bytes:
    """Return the bytes of a regular file, at most `limit` + 1: one more than it may have, for the caller to see.

    Raises OSError, as `open_regular` does.
    """
    with open(open_regular(path), "rb") as file:
        return file.read(limit + 1)


def open_regular(path: str | Path) -> int:
    """Return a descriptor to read a regular file from.

    A FIFO, a device, a socket and a folder are refused without waiting for them. A pipe that the caller handed over
    (`<(command)`) is as good as a file, and so is the null device. Raises OSError.
    """
    # A FIFO that nobody writes to would keep open() waiting.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode) and not _is_null(path) and not _is_handed_over(path, mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        os.set_blocking(descriptor, True)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _is_handed_over(path: str | Path, mode: int) -> bool:
    return stat.S_ISFIFO(mode) and str(path).startswith(_HANDED_OVER)


def _is_null(path: str | Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(os.devnull)


def replace_file(path: Path, data: bytes, *, private: bool = True) -> None:
    """Write a file whole or not at all: beside its place, then renamed. Raises OSError.

    Its mode is 0600; unless `private`, that of the file it replaces, or of a new one what the umask says.
    """
    import tempfile  # only here: most commands write nothing

    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "wb") as file:
            file.write(data)
        if not private:
            os.chmod(temporary, path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def replace_named_file(path: str | Path, data: bytes) -> None:
    """Write a file that a person named, as `replace_file` does, and through a link, which stays.

    Raises OSError, also for what is there and no regular file, such as a device: the rename would take its place.
    """
    from pathlib import Path

    if not is_place_of_file(path):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    replace_file(Path(path).resolve(), data, private=False)


def is_place_of_file(path: str | Path) -> bool:
    """Tell whether a path names a regular file, or nothing yet."""
    return os.path.isfile(path) or not os.path.exists(path)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
