"""The tree of commands, as Typer has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from theoryctl.cli.app import app


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every group and command, and the words after `theoryctl` that lead to it."""
    root: Any = typer.main.get_command(app)
    with typer.Context(root, info_name="theoryctl") as context:
        yield from _below((), root, context)


def _below(path: tuple[str, ...], command: Any, context: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name in command.list_commands(context) if is_group(command) else ():
        yield from _below((*path, *name.split()), command.get_command(context, name), context)


def is_group(command: Any) -> bool:
    """Return whether commands stand below this one."""
    return hasattr(command, "list_commands")
