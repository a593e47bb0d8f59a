"""Folders of ours: state, which holds the tokens of started instances, and cache."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from theoryctl.actions.doctor.commands import as_root, aside, private, quoted, unset
from theoryctl.paths import ForeignFolder, cache_dir, state_dir
from theoryctl.results.doctor import Checked, Finding

#: Bytes that a build of an image needs, and too few for anything.
_ROOM, _LEAST = 2_000_000_000, 50_000_000


def check() -> Checked:
    """Check that the folders are there, ours and closed, and that there is room on the disk."""
    places = ((state_dir, "THEORYCTL_STATE_DIR"), (cache_dir, "THEORYCTL_CACHE_DIR"))
    findings = [finding for locate, variable in places for finding in _folder(locate, variable)]
    if findings:
        return Checked("folders", "not as they have to be", tuple(findings))
    state, cache = state_dir(), cache_dir()
    free = shutil.disk_usage(_there(state)).free
    return Checked("folders", f"{state}, {free / 1e9:.1f} GB free", tuple(_disk(free, cache)))


def _folder(locate: Callable[[], Path], variable: str) -> Iterator[Finding]:
    code = "ERR_OUTPUT"
    try:
        folder = locate()
    except ForeignFolder as error:
        why = "they could read the tokens of instances, or change what is run"
        yield Finding(error.message, why, _taken_back(error.folder, variable), error.code)
        return
    if not folder.exists():
        above = _there(folder)
        if not (above.is_dir() and os.access(above, os.W_OK)):
            what = f"{folder} cannot be made: {above} is {'not writable' if above.is_dir() else 'a file'}"
            yield Finding(what, "nothing can be started or kept", _elsewhere(variable), code)
    elif not folder.is_dir():
        yield Finding(f"{folder} is not a folder", "nothing can be started or kept", _moved(folder, variable), code)
    elif readable := next((file for file in folder.glob("instances/*/*.json") if file.stat().st_mode & 0o077), None):
        yield Finding(f"{readable} is open to other users", "they can read its token", private(folder), code)
    elif not os.access(folder, os.W_OK | os.X_OK):
        command = f"chmod u+rwx {quoted(folder)}"
        yield Finding(f"{folder} is not writable", "nothing can be started or kept", command, code)


def _taken_back(folder: Path, variable: str) -> str:
    """The command that makes a folder ours alone; one that a variable names is left to the others."""
    if os.environ.get(variable):
        return unset(variable)
    if folder.stat().st_uid == os.geteuid():
        return private(folder)
    return as_root(f"chown -R {os.geteuid()} {quoted(folder)}")


def _moved(folder: Path, variable: str) -> str:
    return unset(variable) if os.environ.get(variable) else aside(folder)


def _elsewhere(variable: str) -> str:
    return unset(variable) if os.environ.get(variable) else f'export {variable}="$(mktemp -d)"'


def _disk(free: int, cache: Path) -> Iterator[Finding]:
    if free < _ROOM:
        code = "ERR_OUTPUT" if free < _LEAST else None
        command = f"rm -rf {quoted(cache)}" if cache.is_dir() else "docker system prune"
        yield Finding(f"{free / 1e9:.1f} GB are free on the disk", "an image needs 2 GB to be built", command, code)


def _there(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
