"""The kernel's log on Linux, where it may be read: the processes that it ended because memory ran out."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator

_LOG = "/dev/kmsg"

#: A record, by Documentation/ABI/testing/dev-kmsg: priority, number, microseconds since boot, flags; and the words of
#: mm/oom_kill.c, for the whole machine and for a group of processes.
_KILLED = re.compile(rb"\d+,\d+,(\d+),[^;]*;(?:Out of memory|Memory cgroup out of memory)[^:]*: Killed process (\d+) ")

#: The namespace whose pids the log names: PROC_PID_INIT_INO of include/linux/proc_ns.h.
_FIRST_PIDS = 0xEFFFFFFC


def ran_out_of_memory(pid: int | None, born: float | None) -> bool:
    """Return whether the kernel ended this very process because memory ran out, as far as can be known.

    `born` is its `pids.birth`. False too where there is no such log, where it may not be read, and where pids are those
    of a container.
    """
    if sys.platform != "linux" or pid is None or born is None:
        return False
    seconds = born / os.sysconf("SC_CLK_TCK")
    try:
        if os.stat("/proc/self/ns/pid").st_ino != _FIRST_PIDS:
            return False
        found = [match for record in _records() if (match := _KILLED.match(record))]
    except OSError:
        return False
    return any(int(match[2]) == pid and int(match[1]) / 1e6 > seconds for match in found)


def _records() -> Iterator[bytes]:
    """The records that are kept, one a read. Raises OSError where they may not be read."""
    log = os.open(_LOG, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        while True:
            try:
                yield os.read(log, 8192)
            except BrokenPipeError:  # one was written over before it was read
                continue
            except BlockingIOError:
                return
    finally:
        os.close(log)
