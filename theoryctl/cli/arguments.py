"""Read the arguments of a command line that failed, parsed or not: for the error that is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import typer


class Given(NamedTuple):
    """The words of a command line that name its command, and its options with their values; a flag's value is ""."""

    command: tuple[str, ...]
    options: Mapping[str, str]


def read(arguments: Sequence[str]) -> Given:
    """Tell commands, options and their values apart, as far as the arguments go before any `--`.

    What follows an option that takes a value is its value, whatever it looks like. An option that nobody knows counts
    as a flag.
    """
    from theoryctl.cli.app import app

    command: Any = typer.main.get_command(app)
    words: list[str] = []
    options: dict[str, str] = {}
    left = iter(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    for argument in left:
        name, equals, value = argument.partition("=")
        if not argument.startswith("-"):
            command = _below(command, argument) or command
            words.append(argument)
        elif equals:
            options[_first_name(command, name)] = value
        else:
            options[_first_name(command, name)] = next(left, "") if _takes_value(command, name) else ""
    return Given(tuple(words), options)


def _below(command: Any, word: str) -> Any:
    """The command of that name in a group; None in a command, whose words are its arguments."""
    return command.get_command(None, word) if hasattr(command, "get_command") else None


def _first_name(command: Any, name: str) -> str:
    """The first of an option's names, which is the long one; as it is where nobody knows it."""
    return next((param.opts[0] for param in command.params if name in param.opts), name)


def _takes_value(command: Any, name: str) -> bool:
    return any(name in param.opts and not getattr(param, "is_flag", False) for param in command.params)
