"""Facts that git knows of the current folder."""

from __future__ import annotations

import subprocess


def branch() -> str | None:
    """The branch that is checked out; None outside of a repository, without git, and where no branch is."""
    return _said("symbolic-ref", "--quiet", "--short", "HEAD")


def user() -> str | None:
    """`user.name`, else the part of `user.email` before the @; None where neither is configured."""
    name = _said("config", "user.name")
    return name or ((_said("config", "user.email") or "").partition("@")[0] or None)


def _said(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
