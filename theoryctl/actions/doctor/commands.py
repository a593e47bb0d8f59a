"""Commands for a POSIX shell that end a finding."""

from __future__ import annotations

import os
import shlex
from pathlib import Path


def unset(*names: str) -> str:
    """Forget variables of the environment."""
    return f"unset {' '.join(names)}"


def private(path: Path) -> str:
    """Let nobody else read or change a file, or a folder with all that is in it."""
    return f"chmod -R go= {quoted(path)}"


def aside(path: Path) -> str:
    """Put a file or folder that cannot be used out of the way, and keep it."""
    return f"mv {quoted(path)} {quoted(f'{path}.broken')}"


def as_root(command: str) -> str:
    """The command with root's permissions, which root has already."""
    return f"sudo {command}" if getattr(os, "geteuid", int)() else command


def quoted(path: Path | str) -> str:
    """A path as a word of a shell."""
    return shlex.quote(str(path))
