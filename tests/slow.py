"""Tests that cost more than a minute, and run only where a file that they are about has changed.

    @pytest.mark.slow("pyproject.toml", "theoryctl/images/*")

`pytest --slow all` (`make slow`) runs all of them, `--slow changed` (the gate) those with a changed file, and without
the option they are left out. A `*` stands for slashes too.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

import pytest


def add_option(parser: pytest.Parser) -> None:
    """Add `--slow`."""
    parser.addoption("--slow", choices=["none", "changed", "all"], default="none", help="which slow tests to run")


def left_out(config: pytest.Config, items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """The slow tests that are not wanted now."""
    slow = [(item, mark.args) for item in items if (mark := item.get_closest_marker("slow"))]
    which = config.getoption("--slow")
    if which == "all" or not slow:
        return []
    changed = changed_files(config.rootpath) if which == "changed" else []
    if changed is None:
        return []
    return [item for item, patterns in slow if not any(fnmatch(file, each) for file in changed for each in patterns)]


def changed_files(root: Path) -> list[str] | None:
    """The files that differ from THEORYCTL_BASE (a commit), else from where this branch left origin's, else from the
    commit before; None where history does not tell, so that everything counts as changed."""
    head = _git(root, "rev-parse", "HEAD")
    base = os.environ.get("THEORYCTL_BASE") or _git(root, "merge-base", "HEAD", "origin/HEAD")
    if not base or base == head:
        base = "HEAD~1"
    committed = _git(root, "diff", "--name-only", base)
    untracked = _git(root, "ls-files", "--others", "--exclude-standard")
    return None if committed is None or untracked is None else committed.splitlines() + untracked.splitlines()


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
