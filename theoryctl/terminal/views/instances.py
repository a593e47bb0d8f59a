"""Views of the results of commands on started instances."""

from __future__ import annotations

import time
from shlex import quote
from typing import TYPE_CHECKING

from theoryctl.instances.instance import Instance
from theoryctl.instances.records import BadRecord
from theoryctl.results.instances import (
    EnvShown,
    EnvUnset,
    InstanceRow,
    InstancesShown,
    RecordingsWritten,
    RequestsShown,
    Started,
    Stopped,
    UrlShown,
)
from theoryctl.terminal.format import paired, short_digest, size_words, time_words
from theoryctl.terminal.log_lines import status_word
from theoryctl.terminal.view import Lines, Table, Views
from theoryctl_providers.contract import is_mock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from theoryctl.instances.client import AskedRequest, Unused

REQUESTS_HEADER = ("time", "path", "status", "model", "answered by")
HEADER = ("ref", "runtime", "state", "health", "digest", "drift", "url", "uptime", "cpu", "memory", "mode")


def _started(result: Started) -> Lines:
    instance = result.instance
    pairs = [
        ("ref", instance.ref),
        ("runtime", instance.where + (" (was running already)" if result.already_running else "")),
        ("mode", instance.serves),
        ("url", instance.url),
        ("container", instance.container and instance.container[:12]),
        ("pid", instance.pid and str(instance.pid)),
        ("image", instance.image and instance.image + ("" if "@" in instance.image else " (built here, not pinned)")),
        ("digest", instance.digest),
        ("record", instance.record),
    ]
    shown = [(name, value) for name, value in pairs if value]
    if instance.secrets_absent:
        without = "mock mode works without" if is_mock(instance.mode) else "real mode, the default here, fails without"
        shown.append(("absent", f"{', '.join(instance.secrets_absent)} ({without})"))
    return Lines(paired(shown))


def _stopped(result: Stopped) -> Lines:
    lines = [f"{'stopped' if alive else 'was dead'} {x.ref} ({x.where})" for x, alive in result.instances]
    lines += [line for instance, unused in result.unused for line in _unused(instance, unused)]
    lines += [f"removed the bad record {record.file}" for record in result.bad]
    lines += [f"could not {_meant(failure.record)}" for failure in result.failures]
    errors = {error["message"]: error for error in (failure.error for failure in result.failures)}
    return Lines(lines or ["nothing was started"], errors=tuple(errors.values()))


def _meant(record: Instance | BadRecord) -> str:
    """The words for the end of a record."""
    if isinstance(record, BadRecord):
        return f"remove the bad record {record.file}"
    return f"stop {record.ref} ({record.where})"


def _unused(instance: Instance, unused: Unused) -> Iterator[str]:
    where = f"{instance.ref} ({instance.where})"
    if unused.rules:
        strict = "; its script is strict" if unused.strict else ""
        yield f"{where}: no request was answered by {', '.join(unused.rules)}{strict}"
    if unused.recordings:
        count = len(unused.recordings)
        yield f"{where}: {count:,} {'recording' if count == 1 else 'recordings'} answered no request"


def _recordings(result: RecordingsWritten) -> Lines:
    return Lines(result.files or ["nothing was recorded since the last time"])


def _requests(result: RequestsShown) -> Table:
    dropped = result.journal.dropped
    said = [f"{dropped} older requests are kept no more"] if dropped else []
    said += dict.fromkeys(note for asked in result.journal.requests for note in asked.get("notes", ()))
    rows = [*map(_request_cells, result.journal.requests)]
    return Table(REQUESTS_HEADER, rows, "nothing was asked", said=tuple(said))


def _request_cells(asked: AskedRequest) -> tuple[str, ...]:
    status, code = asked["status"], asked["code"]
    word = "-" if status is None and code is None else status_word(status, code)
    answered_by = ", ".join(filter(None, (asked["answered_by"], code))) or "-"
    return (_clock(asked["time"]), asked["path"], word, asked["model"] or "-", answered_by)


def _clock(seconds: float) -> str:
    try:
        return time.strftime("%b %d %H:%M:%S", time.localtime(seconds))
    except (ValueError, OverflowError, OSError):  # somebody else's time
        return str(seconds)


def _status(result: InstancesShown) -> Table:
    rows = [*map(_cells, result.rows), *map(_bad_cells, result.bad)]
    said = tuple(f"bad record {record.file}: {record.reason}" for record in result.bad)
    return Table(HEADER, rows, _nothing(result), said=said)


def _nothing(result: InstancesShown) -> str:
    """The line for a table without rows: of the ref that was asked for, with what is started instead."""
    if result.ref is None or not result.started:
        return "nothing is started"
    others = ", ".join(f"{instance.ref} ({instance.where})" for instance in result.started)
    return f"{result.ref} is not started; started: {others}"


def _bad_cells(record: BadRecord) -> tuple[str, ...]:
    """The row of a record that cannot be used, with its path in place of a URL."""
    key, unknown = record.key, ("-", "-", "-")
    place = (str(key.ref), key.runtime) if key else ("-", "-")
    return (*place, "bad", *unknown, str(record.file), *unknown, "-")


def _cells(row: InstanceRow) -> tuple[str, ...]:
    instance, state = row.instance, row.state
    return (
        instance.ref,
        instance.where,
        state.name,
        "healthy" if state.healthy else "unhealthy",
        short_digest(instance.digest),
        row.drift or "-",
        instance.url or "-",
        time_words(time.time() - instance.started_at) if state.name == "running" else "-",
        "-" if state.cpu_percent is None else f"{state.cpu_percent:.0f} %",
        "-" if state.memory_bytes is None else size_words(state.memory_bytes),
        "-" if instance.mode == "unknown" else instance.serves,
    )


def _url(result: UrlShown) -> Lines:
    return Lines([result.url])


def env_lines(result: EnvShown) -> Lines:
    """Lay out variables as a shell exports them."""
    notes = [_replaced(result.replaced)] if result.replaced else []
    return Lines([f"export {name}={quote(value)}" for name, value in result.variables.items()], tuple(notes))


def _replaced(names: tuple[str, ...]) -> str:
    verb, them = ("is", "it") if len(names) == 1 else ("are", "them")
    return f"your {', '.join(names)} {verb} replaced in this shell; --unset does not bring {them} back"


def _env_unset(result: EnvUnset) -> Lines:
    notes = [f"it keeps {', '.join(result.kept)}, set to something else since"] if result.kept else []
    return Lines([f"unset {name}" for name in result.names], tuple(notes))


VIEWS: Views = {
    Started: _started,
    Stopped: _stopped,
    RecordingsWritten: _recordings,
    RequestsShown: _requests,
    InstancesShown: _status,
    UrlShown: _url,
    EnvShown: env_lines,
    EnvUnset: _env_unset,
}
