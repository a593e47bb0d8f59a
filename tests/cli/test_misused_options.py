"""Options misused, and options that other programs have: each ends in a command that works."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.conftest import REF, Cli
from theoryctl.cli.app import app

RUN = ("local", "run", "Hi", "--ref", REF)


def options() -> Iterator[tuple[tuple[str, ...], str, bool]]:
    """Every name of every option of every group and command: the path, the name, whether it takes a value."""
    root: Any = typer.main.get_command(app)
    with typer.Context(root, info_name="theoryctl") as context:
        yield from _below((), root, context)


def _below(path: tuple[str, ...], command: Any, context: Any) -> Iterator[tuple[tuple[str, ...], str, bool]]:
    for param in command.get_params(context):
        if param.param_type_name == "option":
            yield from ((path, name, not param.is_flag) for name in param.opts)
    for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
        yield from _below((*path, *name.split()), command.get_command(context, name), context)


def test_no_option_is_refused_as_a_bug_without_its_value_or_with_one_it_cannot_have(cli: Cli) -> None:
    tried = 0
    for path, name, takes_value in options():
        if not takes_value and not name.startswith("--"):
            continue  # `-f=x` is `-f`, `-=` and `-x`
        ran = cli("--json", *path, name if takes_value else f"{name}=true")
        told = f"{name} wants a value" if takes_value else f"{name} takes no value"
        right = " ".join(("theoryctl", *path, "--help") if takes_value else ("theoryctl", "--json", *path, name))
        error = ran.document["error"]
        assert (ran.status, error["code"]) == (2, "ERR_USAGE")
        assert (error["message"], error["hint"]) == (told, right)
        tried += 1
    assert tried > 500


def hint_of(cli: Cli, *typed: str) -> str:
    refused = cli(*typed)
    assert (refused.status, "ERR_USAGE" in refused.err) == (2, True)
    return refused.err.partition("hint: ")[2].strip()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ((*RUN, "--mode", "mock", "--stream=true"), (*RUN, "--mode", "mock", "--stream")),
        ((*RUN, "--mode", "mock", "--stream=false"), (*RUN, "--mode", "mock")),
        (("config", "--quiet=1"), ("config", "--quiet")),
        (("--version=1",), ("--version",)),
        ((*RUN, "--mock"), (*RUN, "--mode", "mock")),
        ((*RUN, "--output", "first.txt"), (*RUN, "--save-first", "first.txt")),
        ((*RUN, "--stop", "x"), (*RUN, "-o", "stop=x")),
        ((*RUN, "--max-token", "4"), (*RUN, "-o", "max_tokens=4")),
        ((*RUN, "--provider", "openai", "-m", "gpt-4o"), (*RUN, "-m", "openai/gpt-4o")),
        ((*RUN, "--provider", "openai"), ("models", "openai")),
        (("local", "run", "--file", "prompt.txt"), ("local", "run", "--prompt-file", "prompt.txt")),
        (("local", "run", "--file=prompt.txt"), ("local", "run", "--prompt-file=prompt.txt")),
        (("version",), ("--version",)),
        (("help", "local", "run"), ("local", "run", "--help")),
        (("batch", "lines.jsonl", "--out", "r"), ("local", "batch", "lines.jsonl", "--out", "r")),
    ],
)
def test_the_hint_of_a_guess_works(
    cli: Cli, typed: tuple[str, ...], meant: tuple[str, ...], working_folder: Path
) -> None:
    (working_folder / "prompt.txt").write_text("Hi")
    (working_folder / "lines.jsonl").write_text('{"messages": [{"role": "user", "content": "Hi"}]}\n')
    assert shlex.split(hint_of(cli, *typed)) == ["theoryctl", *meant]
    assert cli(*meant).status == 0


def test_real_is_a_mode(cli: Cli) -> None:
    assert hint_of(cli, *RUN, "--real") == f"theoryctl local run Hi --ref {REF} --mode real"


def test_a_file_beside_a_prompt_is_standard_input(cli: Cli, working_folder: Path) -> None:
    (working_folder / "a b.txt").write_text("Hi")
    assert hint_of(cli, *RUN, "--file", "a b.txt") == f"theoryctl local run Hi --ref {REF} < 'a b.txt'"


@pytest.mark.parametrize("flag", ["--key", "--api-key", "--openai-key", "--token"])
@pytest.mark.parametrize("command", [RUN, ("local", "start", "--ref", REF), ("modal", "run", "Hi", "--ref", REF)])
def test_a_key_is_never_repeated(cli: Cli, flag: str, command: tuple[str, ...]) -> None:
    for typed in ((flag, "hunter2"), (f"{flag}=hunter2",)):
        ran = cli(*command, *typed)
        assert (ran.status, "hunter2" in ran.out + ran.err, "set the vendor's variable" in ran.err) == (2, False, True)


def test_a_key_goes_into_the_variable_of_the_vendor_that_is_asked(cli: Cli) -> None:
    assert hint_of(cli, *RUN, "--key", "x", "-m", "anthropic/claude-sonnet-4-5") == "set ANTHROPIC_API_KEY"


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ((*RUN, "--modl"), "local run"),
        ((*RUN, "--modl", "--stream"), "local run"),
        ((*RUN, "--rel"), "local run"),
        (("local", "env", "--shell", "fish"), "local env"),
    ],
)
def test_a_flag_that_lacks_its_value_or_is_near_to_none_leads_to_the_help(
    cli: Cli, typed: tuple[str, ...], command: str
) -> None:
    assert hint_of(cli, *typed) == f"theoryctl {command} --help"


def test_an_unknown_command_says_no_other_one_than_its_hint(cli: Cli) -> None:
    assert cli("run", "Hi").err == "error ERR_USAGE: No such command 'run'.\n hint: theoryctl local run Hi\n"
