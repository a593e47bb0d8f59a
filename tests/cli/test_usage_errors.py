"""Usage errors of every command: in our words, on what was typed, and with a command that helps."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest

from tests.commandtree import commands, is_group
from tests.conftest import Cli

EVERY = list(commands())
GROUPS = [path for path, command in EVERY if is_group(command)]
COMMANDS = [(path, command) for path, command in EVERY if not is_group(command)]

#: Words of Click's, which Typer prints.
CLICKS = re.compile(r"Missing |No such |Got unexpected|Invalid value|takes \d+ values|not one of|Try '")


def refused(cli: Cli, *typed: str) -> str:
    """The message of a command line that is refused with the help of its command as the hint."""
    ran = cli(*typed)
    first, hint = ran.err.splitlines()
    assert (ran.status, ran.out, CLICKS.search(ran.err)) == (2, "", None)
    code, _, message = first.partition(": ")
    assert (code, hint.startswith(" hint: theoryctl ")) == ("error ERR_USAGE", True)
    assert cli(*shlex.split(hint)[2:]).status == 0
    return message


def places(command: Any) -> list[Any]:
    return [param for param in command.params if param.param_type_name == "argument"]


def required(command: Any) -> list[str]:
    """The words and options without which the command says that it expects the first of them."""
    return [
        f"{param.opts[0]} {param.metavar}" if param.param_type_name == "option" else param.metavar.strip(".")
        for param in command.params
        if param.required
    ]


@pytest.mark.parametrize(("path", "command"), EVERY, ids=[" ".join(path) for path, _ in EVERY])
def test_an_unknown_option_is_said_with_the_command_that_lacks_it(
    cli: Cli, path: tuple[str, ...], command: Any
) -> None:
    assert refused(cli, *path, "--frobnicate") == f"{' '.join(('theoryctl', *path))} has no option --frobnicate"


@pytest.mark.parametrize("path", GROUPS, ids=" ".join)
def test_an_unknown_command_is_said_with_the_group_that_lacks_it(cli: Cli, path: tuple[str, ...]) -> None:
    assert refused(cli, *path, "zzz") == f"{' '.join(('theoryctl', *path))} has no command 'zzz'"
    assert refused(cli, *path, "--") == "expected a command, got none"


NEEDY = [(path, required(command)) for path, command in COMMANDS if required(command)]


@pytest.mark.parametrize(("path", "names"), NEEDY, ids=[" ".join(path) for path, _ in NEEDY])
def test_a_word_or_an_option_that_is_missing_is_said_by_its_name(
    cli: Cli, path: tuple[str, ...], names: list[str]
) -> None:
    assert refused(cli, *path) == f"expected {names[0]}, got none"


def test_there_are_commands_that_need_a_word_or_an_option() -> None:
    assert len(NEEDY) >= 7


FULL = [
    (path, [place.metavar.strip("[]") for place in places(command)], required(command))
    for path, command in COMMANDS
    if all(place.nargs == 1 for place in places(command)) and path != ("config",)
]


@pytest.mark.parametrize(("path", "names", "needed"), FULL, ids=[" ".join(path) for path, *_ in FULL])
def test_words_too_many_are_said_with_those_that_have_a_place(
    cli: Cli, path: tuple[str, ...], names: list[str], needed: list[str]
) -> None:
    options = [word for name in needed if name.startswith("--") for word in name.split()]
    expected = f"{' and '.join(names)} and no more words, got also" if names else "no words, got"
    message = refused(cli, *path, *options, *(f"word-{name}" for name in names), "too", "many")
    assert message == f"expected {expected} too many"


def test_what_an_option_expects_is_said_with_its_name(cli: Cli) -> None:
    run = ("local", "run", "hi")
    assert refused(cli, "manifest", "show", "llm/mock@1", "--ref", "llm/mock@1") == "--ref: the ref is given twice"
    assert refused(cli, *run, "--mock-version", "x") == "--mock-version: expected 1 or 2, got 'x'"
    assert refused(cli, "local", "batch", "l", "--out", "o", "--rpm", "nan").startswith("--rpm: expected a number of")
