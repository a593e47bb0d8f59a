"""The help of every command, and the examples under it, as the program prints them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.command import call


@cache
def help_of(*words: str) -> str:
    """The output of `theoryctl WORDS --help` at 80 columns."""
    ran = call((*words, "--help"), {**os.environ, "COLUMNS": "80", "TERM": "dumb"}, Path.cwd())
    assert ran.status == 0, ran.err
    return ran.out


def every_command() -> list[tuple[str, ...]]:
    """All commands and groups as words after `theoryctl`, found by walking the help."""
    found: list[tuple[str, ...]] = [()]
    for words in found:
        found.extend((*words, *name.split()) for name in _section(help_of(*words), "Commands"))
    return found


def every_help() -> Iterator[tuple[str, str]]:
    """Name and help text of every command."""
    for words in every_command():
        yield " ".join(("theoryctl", *words)), help_of(*words)


def examples_of(*words: str) -> list[str]:
    """The example command lines under a command's help."""
    text = help_of(*words).partition("\nExamples:\n")[2]
    return [line.strip() for line in text.splitlines() if line.strip()]


def _section(text: str, name: str) -> list[str]:
    lines = text.partition(f"\n{name}:\n")[2].partition("\n\n")[0].splitlines()
    rows = (line.strip() for line in lines if line.startswith("  ") and not line.startswith("   "))
    return [row.partition("  ")[0] for row in rows]
