"""Interpreters that stand for images other than the one that the tests run in."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


def image_with(folder: Path, *sites: Path, python: str = sys.executable, **variables: str) -> str:
    """A Python in `folder` that has these variables, and imports from these folders before all others."""
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    path = ":".join([*map(str, sites), "$PYTHONPATH"])
    file = folder / "python"
    file.write_text(f'#!/bin/sh\n{settings} PYTHONPATH="{path}" exec {python} "$@"\n')
    file.chmod(0o755)
    return str(file)
