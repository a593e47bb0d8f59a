"""Facts that git knows of the current folder."""

from __future__ import annotations

import os
import subprocess

from theoryctl.errors import UsageError

#: Seconds that git has to answer: of this machine, and of a remote.
HERE, ELSEWHERE = 5.0, 30.0


def branch() -> str | None:
    """The branch that is checked out; None outside of a repository, without git, and where no branch is."""
    return _said("symbolic-ref", "--quiet", "--short", "HEAD")


def user() -> str | None:
    """`user.name`, else the part of `user.email` before the @; None where neither is configured."""
    name = _said("config", "user.name")
    return name or ((_said("config", "user.email") or "").partition("@")[0] or None)


def branches() -> frozenset[str]:
    """All branches of the repository and of its remotes, which are asked: a clone may know few of them.

    Raises UsageError outside of a repository, and where a remote does not answer.
    """
    if _said("rev-parse", "--git-dir") is None:
        raise UsageError("expected a git repository, got a folder without one", hint="run it inside of the repository")
    there = {branch() or "", *_lines("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads")}
    for remote in _lines("remote"):
        there |= set(_of_remote(remote))
    return frozenset(there - {""})


def _of_remote(remote: str) -> list[str]:
    said = _said("ls-remote", "--heads", remote, seconds=ELSEWHERE, empty="")
    if said is None:
        message = f"the remote {remote} does not say which branches it has, so none of them is known to be gone"
        raise UsageError(message, hint=f"git ls-remote --heads {remote}")
    return [line.partition("\trefs/heads/")[2] for line in said.splitlines()]


def _lines(*arguments: str) -> list[str]:
    return (_said(*arguments) or "").splitlines()


def _said(*arguments: str, seconds: float = HERE, empty: str | None = None) -> str | None:
    """Standard output of git, or `empty` where there is none; None where git fails. It never asks for a password."""
    quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND") or "ssh -o BatchMode=yes"}
    try:
        done = subprocess.run(
            ["git", *arguments],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **quiet},
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout.strip() or empty if done.returncode == 0 else None
