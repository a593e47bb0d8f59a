"""Processes by pid and birth: a pid alone may be another's by now."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def birth(pid: int) -> float:
    """Return the time when a process began, in a number that stays the same as long as it lives.

    On Linux clock ticks since boot (proc_pid_stat(5), field 22): seconds since the epoch, which psutil makes of them,
    move whenever the clock is set. Raises ProcessLookupError where there is none.
    """
    return _seen(pid)[0]


def lives(pid: int | None, born: float | None) -> bool:
    """Return whether a process runs: this very one, and not as a zombie, which stays where process 1 reaps nobody."""
    if pid is None:
        return False
    try:
        return _seen(pid) == (born, True)
    except ProcessLookupError:
        return False


def began_at(pid: int) -> float:
    """Return when a process began, in seconds since the epoch. Raises ProcessLookupError where there is none."""
    import psutil

    with _looked_up(pid):
        return float(psutil.Process(pid).create_time())


def with_variable(name: str) -> Iterator[tuple[int, str]]:
    """Yield the pid of each process that began with a variable in its environment, and the value, as far as it may be
    read. On Linux none in a container, where the same path is another file."""
    if sys.platform == "linux":
        found = _with_variable_in_proc(f"\0{name}=".encode())
        here = _surroundings("self")
        yield from ((pid, value) for pid, value in found if _surroundings(pid) == here)
        return
    import psutil

    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if (value := process.environ().get(name)) is not None:
                yield process.pid, value


def command(pid: int) -> list[str]:
    """Return the words of a process's command. Raises ProcessLookupError where there is none, or it may not be read."""
    try:
        if sys.platform == "linux":
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")[:-1]
        import psutil

        with _looked_up(pid):
            return psutil.Process(pid).cmdline()
    except OSError:
        raise ProcessLookupError(pid) from None


def in_session(session: int) -> Iterator[int]:
    """Yield the processes of a session that are more than zombies."""
    for pid in _all():
        with suppress(OSError):  # it ended
            if os.getsid(pid) == session and _seen(pid)[1]:
                yield pid


def descendants(pid: int) -> dict[int, float]:
    """Return the children of a process and theirs, each with its birth."""
    import psutil

    found = {}
    with suppress(psutil.Error):
        for child in psutil.Process(pid).children(recursive=True):
            with suppress(ProcessLookupError):
                born = birth(child.pid)
                if child.is_running():  # else its number may be another's, and so that birth
                    found[child.pid] = born
    return found


def _all() -> list[int]:
    if sys.platform == "linux":
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    import psutil

    return psutil.pids()


@contextmanager
def _looked_up(pid: int) -> Iterator[None]:
    """Turn psutil's errors into ProcessLookupError."""
    import psutil

    try:
        yield
    except psutil.Error:
        raise ProcessLookupError(pid) from None


def _surroundings(pid: int | str) -> tuple[tuple[int, int], ...] | None:
    """The namespaces of files and of pids that a process is in, and its root; None where they may not be read.

    A namespace is known by device and inode (namespaces(7)).
    """
    try:
        found = [os.stat(f"/proc/{pid}/{name}") for name in ("ns/mnt", "ns/pid", "root")]
    except OSError:
        return None
    return tuple((each.st_dev, each.st_ino) for each in found)


def _with_variable_in_proc(begin: bytes) -> Iterator[tuple[int, str]]:
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                _, found, rest = (b"\0" + file.read()).partition(begin)
        except OSError:  # it ended, or is another user's
            continue
        if found:
            yield int(pid), os.fsdecode(rest.partition(b"\0")[0])


def _seen(pid: int) -> tuple[float, bool]:
    """The birth of a process, and whether it is more than a zombie. Raises ProcessLookupError."""
    if sys.platform == "linux":
        return _in_proc(pid)
    import psutil

    with _looked_up(pid):
        process = psutil.Process(pid)
        return process.create_time(), process.status() != psutil.STATUS_ZOMBIE


def _in_proc(pid: int) -> tuple[float, bool]:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None
    return float(fields[19]), fields[0] not in "ZX"
