"""Folders of state and cache, by the XDG Base Directory Specification 0.8, and atomic writes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from theoryctl_providers.contract import replace_file


def cache_dir() -> Path:
    """`THEORYCTL_CACHE_DIR`, else `theoryctl` in `XDG_CACHE_HOME` (default ~/.cache)."""
    return _override("THEORYCTL_CACHE_DIR") or _xdg("XDG_CACHE_HOME", ".cache")


def state_dir() -> Path:
    """`THEORYCTL_STATE_DIR`, else `theoryctl` in `XDG_STATE_HOME` (default ~/.local/state)."""
    return _override("THEORYCTL_STATE_DIR") or _xdg("XDG_STATE_HOME", ".local/state")


def config_dir() -> Path:
    """`theoryctl` in `XDG_CONFIG_HOME` (default ~/.config)."""
    return _xdg("XDG_CONFIG_HOME", ".config")


def write_private(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, mode 0600, in folders of mode 0700. Raises OSError."""
    private_folder(path.parent)
    replace_file(path, data)


def file_lock(file: Path, *, seconds: float = -1) -> Any:
    """A lock on a file of its own, mode 0600, to hold with `with`: waits for ever unless told how many seconds.

    Raises OSError, and on entering filelock.Timeout.
    """
    from filelock import FileLock

    private_folder(file.parent)
    return FileLock(file, timeout=seconds, mode=0o600)


def private_folder(path: Path) -> None:
    """Make a folder and its parents, mode 0700. Raises OSError."""
    # mkdir(parents=True) gives the parents the default mode.
    if not path.is_dir():
        private_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def _override(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None


def _xdg(variable: str, default: str) -> Path:
    # The specification: a relative path is to be ignored.
    value = os.environ.get(variable, "")
    base = Path(value) if os.path.isabs(value) else Path(os.path.expanduser("~")) / default
    return base / "theoryctl"
