"""Folders of state and cache, by the XDG Base Directory Specification 0.8, and atomic writes.

A folder that another user owns or can write to is refused: an address, a token or a build that lies there could be
theirs.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from theoryctl_providers.contract import ProviderError, replace_file

#: The variables that move our folders; a relative path is one from the working folder.
FOLDER_VARIABLES = STATE_VARIABLE, CACHE_VARIABLE = "THEORYCTL_STATE_DIR", "THEORYCTL_CACHE_DIR"


class ForeignFolder(ProviderError):
    """A `folder` of ours that another user owns or can write to (`ERR_USAGE`)."""

    def __init__(self, folder: Path, variable: str, found: os.stat_result) -> None:
        from shlex import quote

        mode = f"mode {stat.S_IMODE(found.st_mode):04o}"
        got = f"one of user {found.st_uid}, {mode}" if stat.S_ISDIR(found.st_mode) else "a file or a device"
        message = f"{folder}: expected a folder that only you can write to, got {got}"
        # The mode of a device is not what is wrong with it, and /tmp and its kind are for all.
        can_be_fixed = stat.S_ISDIR(found.st_mode) and _is_mine(found) and not found.st_mode & stat.S_ISVTX
        fix = f"chmod go-w {quote(str(folder))}" if can_be_fixed else f"set {variable} to a folder of your own"
        super().__init__("ERR_USAGE", message, hint=fix)
        self.folder = folder


def cache_dir() -> Path:
    """Return `THEORYCTL_CACHE_DIR`, else `theoryctl` in `XDG_CACHE_HOME` (default ~/.cache). Raises ForeignFolder."""
    return _ours(CACHE_VARIABLE, "XDG_CACHE_HOME", ".cache")


def state_dir() -> Path:
    """Return `THEORYCTL_STATE_DIR`, else `theoryctl` in `XDG_STATE_HOME` (default ~/.local/state).

    Raises ForeignFolder.
    """
    return _ours(STATE_VARIABLE, "XDG_STATE_HOME", ".local/state")


def only_mine(found: os.stat_result) -> bool:
    """Tell whether what `stat` found belongs to this user, and no other may write to it."""
    return _is_mine(found) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def write_hint(error: OSError, variable: str) -> str:
    """Return the hint where nothing can be written in the folder that `variable` moves."""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f'export {variable}="$(mktemp -d)"'
    return f"free some space, or set {variable}"


def config_dir() -> Path:
    """`theoryctl` in `XDG_CONFIG_HOME` (default ~/.config)."""
    return _xdg("XDG_CONFIG_HOME", ".config")


def bundled(name: str, *, in_checkout: str) -> Path:
    """Return a folder that came with theoryctl: `name` in the installed package, else `in_checkout` beside it."""
    package = Path(__file__).parent
    installed = package / "_bundled" / name
    return installed if installed.is_dir() else package.parent / in_checkout


def write_private(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, mode 0600, in folders of mode 0700. Raises OSError."""
    private_folder(path.parent)
    replace_file(path, data)


@contextmanager
def file_lock(file: Path, *, seconds: float | None = None) -> Iterator[None]:
    """Hold the lock on a file of its own, mode 0600. It ends with the process that holds it.

    It waits for ever unless told how many seconds. Raises TimeoutError after those, and OSError for a file that cannot
    be made.
    """
    private_folder(file.parent)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take_lock(descriptor, seconds)
        yield
    finally:
        os.close(descriptor)


def _take_lock(descriptor: int, seconds: float | None) -> None:
    import fcntl

    if seconds is None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return None
    end = time.monotonic() + seconds
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise TimeoutError from None
        time.sleep(0.02)


def private_folder(path: Path) -> None:
    """Make a folder and its parents, mode 0700. Raises OSError."""
    # mkdir(parents=True) gives the parents the default mode.
    if not path.is_dir():
        private_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def _ours(variable: str, base: str, default: str) -> Path:
    folder = _override(variable) or _xdg(base, default)
    try:
        found = os.stat(folder)
    except OSError:  # not there yet, or out of reach: whoever writes there says it
        return folder
    if not only_mine(found):
        raise ForeignFolder(folder, variable, found)
    return folder


def _is_mine(found: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or found.st_uid == os.geteuid()


def _override(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(os.path.abspath(value)) if value else None


def _xdg(variable: str, default: str) -> Path:
    # The specification: a relative path is to be ignored.
    value = os.environ.get(variable, "")
    # HOME may be relative too: the path of a record tells the servers of two folders apart.
    base = Path(value) if os.path.isabs(value) else Path(os.path.abspath(os.path.expanduser("~"))) / default
    return base / "theoryctl"
