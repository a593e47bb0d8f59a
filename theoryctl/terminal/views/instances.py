"""Views of the results of commands on started instances."""

from __future__ import annotations

import time
from shlex import quote

from theoryctl.results.instances import (
    EnvShown,
    InstanceRow,
    InstancesShown,
    RecordingsWritten,
    Started,
    Stopped,
    UrlShown,
)
from theoryctl.terminal.format import paired, short_digest, size_words, time_words
from theoryctl.terminal.view import Lines, Table, Views

HEADER = ("ref", "runtime", "state", "health", "digest", "drift", "url", "uptime", "cpu", "memory")


def _started(result: Started) -> Lines:
    instance = result.instance
    pairs = [
        ("ref", instance.ref),
        ("runtime", instance.runtime + (" (was running already)" if result.already_running else "")),
        ("mode", instance.mode),
        ("url", instance.url),
        ("container", instance.container and instance.container[:12]),
        ("pid", instance.pid and str(instance.pid)),
        ("image", instance.image and instance.image + ("" if "@" in instance.image else " (built here, not pinned)")),
        ("digest", instance.digest),
        ("record", instance.record),
    ]
    shown = [(name, value) for name, value in pairs if value]
    if instance.secrets_absent:
        shown.append(("absent", f"{', '.join(instance.secrets_absent)} (mock mode works without)"))
    return Lines(paired(shown))


def _stopped(result: Stopped) -> Lines:
    lines = [f"{'stopped' if alive else 'was dead'} {x.ref} ({x.runtime})" for x, alive in result.instances]
    return Lines(lines or ["nothing was started"])


def _recordings(result: RecordingsWritten) -> Lines:
    return Lines(result.files or ["nothing was recorded since the last time"])


def _status(result: InstancesShown) -> Table:
    return Table(HEADER, [_cells(row) for row in result.rows], "nothing is started")


def _cells(row: InstanceRow) -> tuple[str, ...]:
    instance, state = row.instance, row.state
    return (
        instance.ref,
        instance.runtime,
        state.name,
        "healthy" if state.healthy else "unhealthy",
        short_digest(instance.digest),
        row.drift or "-",
        instance.url or "-",
        time_words(time.time() - instance.started_at) if state.name == "running" else "-",
        "-" if state.cpu_percent is None else f"{state.cpu_percent:.0f} %",
        "-" if state.memory_bytes is None else size_words(state.memory_bytes),
    )


def _url(result: UrlShown) -> Lines:
    return Lines([result.url])


def _env(result: EnvShown) -> Lines:
    return Lines([f"export {name}={quote(value)}" for name, value in result.variables.items()])


VIEWS: Views = {
    Started: _started,
    Stopped: _stopped,
    RecordingsWritten: _recordings,
    InstancesShown: _status,
    UrlShown: _url,
    EnvShown: _env,
}
