"""Processes by pid and birth: a pid alone may be another's by now."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
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

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        raise ProcessLookupError(pid) from None


def with_variable(name: str) -> Iterator[tuple[int, str]]:
    """Yield the pid of each process that began with a variable in its environment, and the value, as far as it may be
    read."""
    if sys.platform == "linux":
        yield from _with_variable_in_proc(f"\0{name}=".encode())
        return
    import psutil

    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if (value := process.environ().get(name)) is not None:
                yield process.pid, value


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

    try:
        process = psutil.Process(pid)
        return process.create_time(), process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        raise ProcessLookupError(pid) from None


def _in_proc(pid: int) -> tuple[float, bool]:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None
    return float(fields[19]), fields[0] not in "ZX"
