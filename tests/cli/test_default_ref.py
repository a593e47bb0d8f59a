"""A ref as an option and as a word, and the one that counts where none was typed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import REF, Cli

MOCK = "llm/mock@1"


def test_a_ref_is_an_option_or_a_word_in_every_command_but_run(cli: Cli) -> None:
    shown = cli("manifest", "show", MOCK)
    assert cli("manifest", "show", "--ref", MOCK) == cli("manifest", "show", "-r", MOCK) == shown
    assert shown.out.startswith("ref         llm/mock@1")
    url = cli("local", "url", MOCK)
    assert url == cli("local", "url", "--ref", MOCK) and MOCK in url.err
    twice = cli("local", "url", MOCK, "--ref", REF)
    assert (twice.status, "the ref is given twice" in twice.err) == (2, True)


def test_a_hint_names_the_ref_that_was_a_word(cli: Cli) -> None:
    ran = cli("manifest", "show", "llm/litelm@1", "--json")
    assert ran.document["error"]["hint"] == f"theoryctl manifest show {REF} --json"
    ran = cli("local", "url", "llm/mock", "--json")
    assert ran.document["error"]["hint"] == f"theoryctl local url --ref {MOCK} --json"


def record(environment: Mapping[str, str], ref: str) -> None:
    """A record as `start` leaves it."""
    folder = Path(environment["HOME"]) / ".local/state/theoryctl/instances" / ref.partition("/")[0]
    where = {"runtime": "process", "url": "http://127.0.0.1:9", "pid": 1, "pid_started": 1.0}
    fields = {"ref": ref, **where, "mode": "mock", "token": "t" * 32}
    lists: dict[str, list[str]] = {"secrets_present": [], "secrets_absent": []}
    rest = {"started_at": 1.0, "manifest_digest": "x", "max_attachment": 1, "platform": "linux/amd64"}
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / f"{ref.rpartition('/')[2]}.process.json"
    file.write_text(json.dumps({**fields, **lists, **rest}))


def test_the_default_ref_is_said_with_its_reason(cli: Cli, environment: dict[str, str], working_folder: Path) -> None:
    show = ("manifest", "show")
    assert "ref llm/litellm@1, the default" in cli(*show).err
    record(environment, MOCK)
    assert "ref llm/mock@1, the one that is started" in cli(*show).err
    record(environment, "llm/other@1")
    assert "ref llm/litellm@1, the default" in cli(*show).err
    (working_folder / "theoryctl.toml").write_text('ref = "llm/mock@1"')
    assert "ref llm/mock@1, as theoryctl.toml says" in cli(*show).err
    named = cli(*show, env={"THEORYCTL_REF": REF})
    assert "ref llm/litellm@1, as THEORYCTL_REF says" in named.err and named.out.startswith(f"ref         {REF}")
    assert "ref " not in cli(*show, MOCK).err


def test_an_instance_of_another_folders_manifest_is_no_default_where_the_manifest_is_needed(
    cli: Cli, environment: dict[str, str]
) -> None:
    record(environment, "acme/echo@1")
    ran = cli("local", "run", "hi")
    assert (ran.status, ran.err.splitlines()[0]) == (0, "ref llm/litellm@1, the default")
    assert "ref acme/echo@1, the one that is started" in cli("local", "url").err


@pytest.mark.parametrize("command", [("modal", "stop"), ("image", "pin"), ("manifest", "new")])
def test_what_changes_things_elsewhere_wants_a_ref_that_somebody_named(cli: Cli, command: tuple[str, ...]) -> None:
    ran = cli(*command, "--json")
    assert (ran.status, ran.document["error"]["code"]) == (2, "ERR_USAGE")
    assert ran.document["error"]["hint"] == "name it with --ref, or set THEORYCTL_REF"


def test_a_filter_stays_off_where_no_ref_was_typed(cli: Cli) -> None:
    assert cli("local", "status", env={"THEORYCTL_REF": MOCK}).err == "nothing is started\n"


def test_a_ref_among_the_words_of_a_prompt_is_refused_with_the_right_command(cli: Cli) -> None:
    ran = cli("local", "run", REF, "hi", "there", "--mode", "mock", "--json")
    assert (ran.status, ran.document["error"]["code"]) == (2, "ERR_USAGE")
    assert ran.document["error"]["hint"] == f"theoryctl local run hi there --ref {REF} --mode mock --json"
    assert cli("local", "run", "--ref", REF, MOCK, "--mode", "mock").status == 0


def test_a_ref_without_its_version_among_the_words_is_refused_where_there_is_one(cli: Cli) -> None:
    ran = cli("local", "run", "llm/litellm", "hi", "--json")
    assert (ran.status, ran.document["error"]["hint"]) == (2, f"theoryctl local run hi --ref {REF} --json")
    assert cli("local", "run", "and/or", "hi").status == 0


def test_a_model_in_place_of_a_ref_is_named_as_the_model(cli: Cli) -> None:
    ran = cli("local", "run", "hi", "--ref", "openai/gpt-4o", "--mode", "mock", "--json")
    hint = "theoryctl local run hi --mode mock --model openai/gpt-4o --json"
    assert (ran.status, ran.document["error"]["hint"]) == (2, hint)
    assert cli(*hint.split()[1:]).status == 0
    assert "--ref acme/echo@1" in cli("local", "run", "hi", "--ref", "acme/echo").err
