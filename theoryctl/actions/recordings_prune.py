"""The work behind `theoryctl recordings prune`: recordings that nobody needs any more."""

from __future__ import annotations

from pathlib import Path

from theoryctl.errors import OutputFailed, UsageError
from theoryctl.hints import again
from theoryctl.instances import client
from theoryctl.instances.restart import stop_and_start
from theoryctl.refs import ProviderRef
from theoryctl.results.recordings import RecordingsPruned
from theoryctl.runtimes.find import require, started_runtime


def prune(
    ref: ProviderRef, runtime: str | None, name: str | None, *, unused: bool, remove: bool, command: str
) -> RecordingsPruned:
    """Plan the removal of the recordings that an instance answers from and that answered nothing since its start, or
    with `remove` remove them. `command` is what to type for that.

    Raises UsageError where it replays nothing, and without `unused`, which is the one choice that there is; NotRunning;
    OutputFailed.
    """
    if not unused:
        raise UsageError("expected --unused, which says what to remove", hint=again("add --unused", unused=True))
    instance = require(ref, runtime, name)
    folder = instance.flags.get("replay") or instance.flags.get("record_missing")
    if not isinstance(folder, str):
        hint = stop_and_start(instance, mode="mock", replay="recordings", record=None, record_missing=None)
        raise UsageError(f"{instance.ref} was not started with --replay or --record-missing", hint=hint)
    found = client.unused(instance, started_runtime(instance.runtime).listens)
    files = [file for each in found.recordings if (file := Path(folder, Path(each).name)).is_file()]
    if remove:
        _remove(files)
    return RecordingsPruned(folder, tuple(map(str, files)), command if files and not remove else None)


def _remove(files: list[Path]) -> None:
    for file in files:
        try:
            file.unlink()
        except OSError as error:
            message = f"{file} cannot be removed: {error.strerror}"
            raise OutputFailed(message, hint=f"ls -ld {file.parent}") from error
