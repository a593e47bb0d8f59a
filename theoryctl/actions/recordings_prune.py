"""The work behind `theoryctl recordings prune`: recordings that nobody needs any more."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote
from typing import NoReturn

from theoryctl.errors import NotRunning, OutputFailed, UsageError
from theoryctl.hints import Hint, again
from theoryctl.instances import client
from theoryctl.instances.instance import Instance
from theoryctl.instances.records import all_instances
from theoryctl.instances.restart import stop_and_start
from theoryctl.refs import ProviderRef
from theoryctl.results.recordings import RecordingsPruned
from theoryctl.runtimes.find import require, started_runtime

#: The folder that the documentation records into, and the hint where nothing is recorded there.
_USUAL = "recordings"
_SENTENCE = "start it with --replay and the folder of the recordings"


def prune(
    ref: ProviderRef, runtime: str | None, name: str | None, *, unused: bool, remove: bool, command: str
) -> RecordingsPruned:
    """Plan the removal of the recordings that an instance answers from and that answered nothing since its start, or
    with `remove` remove them. `command` is what to type for that. What another running instance has answered from the
    same folder stays.

    Raises UsageError where it replays nothing, without `unused`, which is the one choice that there is, and with
    `remove` where no recording answered; NotRunning; OutputFailed.
    """
    instance, folder = _replaying(ref, runtime, name, _USUAL)
    if not unused:
        raise UsageError("expected --unused, which says what to remove", hint=again("add --unused", unused=True))
    found = _unused(instance)
    if remove and not found.recordings_used:
        message = f"--remove: expected recordings in {folder} that answered, got none since {instance.ref} was started"
        raise UsageError(message, hint="run the tests against it first")
    names = set(found.recordings).intersection(*(_unused(other).recordings for other in _beside(instance, folder)))
    files = [file for each in sorted(names) if (file := Path(folder, Path(each).name)).is_file()]
    if remove:
        _remove(files)
    return RecordingsPruned(folder, tuple(map(str, files)), command if files and not remove else None)


def refuse_folder(typed: str, ref: ProviderRef, runtime: str | None, name: str | None) -> NoReturn:
    """Raise UsageError for a folder in the place of the ref, or NotRunning where no instance answers from recordings;
    the hint starts one that answers from this folder."""
    instance, _ = _replaying(ref, runtime, name, typed)
    hint = again(f"name {instance.ref}", ref=str(instance.ref), unused=True)
    raise UsageError(f"expected the ref of an instance, got the folder {typed}", hint=hint)


def _replaying(ref: ProviderRef, runtime: str | None, name: str | None, folder: str) -> tuple[Instance, str]:
    """The instance, and the folder that it answers from. Where there is none, the hint starts one on `folder`."""
    is_there = os.path.isdir(folder)
    try:
        instance = require(ref, runtime, name, **({"replay": folder} if is_there else {}))
    except NotRunning as error:
        if not is_there and isinstance(error.hint, Hint) and error.hint.steps[0].path:
            error.hint = _SENTENCE
        raise
    if instance.replayed is not None:
        return instance, instance.replayed
    start = stop_and_start(instance, mode="mock", replay=folder, record=None, record_missing=None)
    hint = start if is_there else _SENTENCE
    raise UsageError(f"{instance.ref} was not started with --replay or --record-missing", hint=hint)


def _unused(instance: Instance) -> client.Unused:
    return client.unused(instance, started_runtime(instance.runtime).listens)


def _beside(instance: Instance, folder: str) -> list[Instance]:
    """The other running instances, of any ref, that answer from the folder."""
    others = [each for each in all_instances() if each.key != instance.key]
    alike = [other for other in others if _answers_from(other, Path(folder))]
    # One that has ended knows of nothing any more.
    return [other for other in alike if started_runtime(other.runtime).listens(other)]


def _answers_from(instance: Instance, folder: Path) -> bool:
    own = instance.replayed
    return bool(instance.url) and own is not None and Path(own).resolve() == folder.resolve()


def _remove(files: list[Path]) -> None:
    for file in files:
        try:
            file.unlink()
        except OSError as error:
            message = f"{file} cannot be removed: {error.strerror}"
            raise OutputFailed(message, hint=f"ls -ld {quote(str(file.parent))}") from error
