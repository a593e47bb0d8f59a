"""Hints that are one sentence, where no command can be shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import REF, Cli
from tests.hints.pasting import CANARY, RUN, hint_of


@pytest.mark.parametrize(
    ("flags", "hint"),
    [
        ((), "set OPENAI_API_KEY, in the environment or in the file that --env-file names"),
        (("--env-file", "empty.env"), "set OPENAI_API_KEY, in the environment or in empty.env"),
    ],
)
def test_a_missing_key_is_named_with_the_file_that_was_given(
    cli: Cli, folder: Path, flags: tuple[str, ...], hint: str
) -> None:
    (folder / "empty.env").write_text("")
    assert hint_of(cli(*RUN, "--mode", "real", "--prompt", "x", *flags, "--json")) == hint


def test_a_key_that_is_an_instances_token_is_told_from_one_that_is_not_set(cli: Cli) -> None:
    assert cli("local", "start", "--ref", REF, "--runtime", "process").status == 0
    led = cli("local", "env", "--ref", REF, "--json").document["variables"]
    ran = cli(*RUN, "--mode", "real", "--runtime", "embedded", "--prompt", "x", "--json", env=led)
    assert cli("local", "stop", "--all").status == 0
    assert hint_of(ran) == 'eval "$(theoryctl local env --unset)", then set OPENAI_API_KEY'
    said = "openai/gpt-4o-mini needs OPENAI_API_KEY, but OPENAI_API_KEY holds the token of a started instance"
    assert ran.document["error"]["message"] == said


@pytest.mark.parametrize(
    ("arguments", "env", "stdin"),
    [
        ((*RUN, "--mode", "moc", "--prompt", f"is {CANARY} a key?"), {}, ""),
        ((*RUN, "--mode", "moc", "--prompt", "is hunter2-hunter2 a key?"), {"ACME_TOKEN": "hunter2-hunter2"}, ""),
        ((*RUN, "--mode", "moc", "--prompt", "long " * 300), {}, ""),
        ((*RUN, "--mode", "moc", "--inputs", "-"), {}, "{}"),
    ],
    ids=["a key", "a secret of the environment", "too long", "standard input"],
)
def test_a_command_that_cannot_be_shown_or_typed_again_stays_a_sentence(
    cli: Cli, arguments: tuple[str, ...], env: dict[str, str], stdin: str
) -> None:
    assert hint_of(cli(*arguments, "--json", env=env, stdin=stdin)) == "use --mode mock"
