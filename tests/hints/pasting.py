"""Read a hint, and paste it as a shell would."""

from __future__ import annotations

import shlex
from typing import Any

import typer

from tests.conftest import REF, Cli, Ran
from theoryctl.cli.app import app

RUN = ("local", "run", "--ref", REF)
START = ("local", "start", "--ref", REF, "--runtime", "process")
#: Of a provider that starts in real mode without loading LiteLLM.
MOCK = "llm/mock@1"
RUN_MOCK, START_MOCK = (tuple(MOCK if word == REF else word for word in words) for words in (RUN, START))
CANARY = "sk-canary-0123456789abcdef"
TREE: Any = typer.main.get_command(app)


def hint_of(ran: Ran) -> str:
    assert ran.status != 0, ran.out
    return str(ran.document["error"]["hint"])


def commands_in(hint: str) -> list[list[str]]:
    """The commands of a hint, each as words; none for a sentence."""
    _, _, text = hint.rpartition(", then: ")
    return [shlex.split(command) for command in text.split(" && ")] if text.startswith("theoryctl ") else []


def parse(words: list[str]) -> None:
    """Let Typer read a command line down to its command. Raises what a person would be told."""
    assert words[0] == "theoryctl"
    command, context, rest = TREE, None, words[1:]
    while True:
        context = command.make_context(words[0], list(rest), parent=context)
        if not hasattr(command, "commands"):
            return
        _, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])


def paste(cli: Cli, hint: str, **options: Any) -> Ran:
    """Type what a hint says, as a shell would."""
    commands = commands_in(hint)
    assert commands, hint
    for words in commands:
        parse(words)
        ran = cli(*words[1:], **options)
        if ran.status:
            break
    return ran
