"""Servers of this state folder and what their providers have started, as the system tells of them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from theoryctl.instances import pids, records
from theoryctl.instances.instance import Instance
from theoryctl.instances.key import RecordKey
from theoryctl.instances.log_files import record_of_log
from theoryctl.platforms import host_platform

#: The variable by which a server without a record is found; it holds the path of its log, with the ending of records.
#: Whatever a provider starts inherits it, unless it is given another environment.
RECORD_VARIABLE = "THEORYCTL_RECORD"

#: The words behind Python's own with which a server is started.
COMMAND = ["-m", "theoryctl_providers"]

_RECORDS = ".json"

#: The flag before the path of the log.
LOG_FLAG = "--log-file"

#: Seconds for processes to end that are killed.
_KILL_SECONDS = 2.0


def marked(log: Path) -> dict[str, str]:
    """Return the variable of a server that writes this log, by its name."""
    return {RECORD_VARIABLE: str(log.with_suffix(_RECORDS))}


def servers() -> Iterator[Instance]:
    """Yield the servers of this state folder, with a record or without, as far as their environment tells."""
    found = {pid: key for pid, key, _ in _started_here() if _is_server(pid)}
    for pid, key in found.items():
        with suppress(ProcessLookupError):  # it ended meanwhile
            if len(found) == 1 or not _is_forked(pid, key, found):
                yield _without_record(key, pid)


def started_by(instance: Instance) -> dict[int, float]:
    """Return the processes that a provider has started, each with its birth.

    For an instance whose process is there, if only as a zombie: afterwards nothing tells whose its children were, and
    its session's number may be another's.
    """
    assert instance.pid is not None
    mark = _mark_of(instance)
    others = {pid for pid, key, its in _started_here() if (key, its) != (instance.key, mark)}
    found = pids.descendants(instance.pid)
    for pid in pids.in_session(instance.pid):
        with suppress(ProcessLookupError):
            found[pid] = pids.birth(pid)
    return {pid: born for pid, born in found.items() if pid not in others | {instance.pid}}


def end_started(instance: Instance, known: dict[int, float]) -> None:
    """Kill what a provider has started and its server has not ended: as in a container, nothing stays.

    `known` is what `started_by` returned while the server was there.
    """
    end = time.monotonic() + _KILL_SECONDS
    while (left := _left(instance, known)) and time.monotonic() < end:
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):  # it ended meanwhile, or became another user's
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _left(instance: Instance, known: dict[int, float]) -> set[int]:
    left = {pid for pid, born in known.items() if pids.lives(pid, born)} | _carrying(instance)
    if any(_session(pid) == instance.pid for pid in left):
        # It is the server's still: no process is given the number of a session that has members.
        left |= set(pids.in_session(instance.pid or 0))
    return left - {os.getpid()}


def _carrying(instance: Instance) -> set[int]:
    """The processes whose environment says that they belong to the instance."""
    mark = _mark_of(instance)
    found = {pid for pid, key, its in _started_here() if (key, its) == (instance.key, mark)}
    now = records.instance_at(instance.key)
    if now is None or now.is_same(instance) or _mark_of(now) != mark:
        return found
    # Another instance has taken the place and the log, and what it starts carries the same.
    return {pid for pid in found if _session(pid) == instance.pid}


def _mark_of(instance: Instance) -> str:
    """The name in the variable of an instance; without a log, that of its record."""
    return Path(instance.log).with_suffix(_RECORDS).name if instance.log else instance.key.file.name


def _started_here() -> Iterator[tuple[int, RecordKey, str]]:
    """Each server of this state folder and what it has started, with the place of the record, and the name in the
    variable."""
    for pid, value in pids.with_variable(RECORD_VARIABLE):
        file = Path(value)
        key = RecordKey.of_file(record_of_log(file))
        if key is not None and _is_same_folder(key.file.parent, file.parent):
            yield pid, key, file.name


def _is_same_folder(one: Path, other: Path) -> bool:
    """Compare two folders, also by links; the same path is the same, even if nothing is there any more."""
    if one == other:
        return True
    try:
        return one.samefile(other)
    except OSError:
        return False


def _is_server(pid: int) -> bool:
    """Tell a server from what it has started: it leads its session, and has the command of servers."""
    try:
        return os.getsid(pid) == pid and pids.command(pid)[1:3] == COMMAND
    except OSError:
        return False


def _is_forked(pid: int, key: RecordKey, found: dict[int, RecordKey]) -> bool:
    """Tell whether a server of the same record has forked this one, which so has its command."""
    return any(pid in pids.descendants(other) for other, its in found.items() if its == key and other != pid)


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _without_record(key: RecordKey, pid: int) -> Instance:
    """Describe a server whose record is lost: without its token nobody can run anything in it.

    Raises ProcessLookupError where it has ended.
    """
    born = pids.birth(pid)
    return Instance(
        ref=str(key.ref),
        runtime=key.runtime,
        name=key.name,
        url="",
        mode="unknown",
        token="",
        started_at=pids.began_at(pid),
        manifest_digest="",
        secrets_present=(),
        secrets_absent=(),
        max_attachment=0,
        platform=host_platform(),
        pid=pid,
        pid_started=born,
        log=_log_of(pid, key),
    )


def _log_of(pid: int, key: RecordKey) -> str:
    """The log that a server was told to write. Raises ProcessLookupError where it has ended."""
    words = pids.command(pid)
    return words[words.index(LOG_FLAG) + 1] if LOG_FLAG in words[:-1] else str(key.file.with_suffix(".log"))
