"""Commands that ask for a thing that is not started: near refs, reasons, and runtimes that are there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.actions.running import started
from tests.conftest import REF, Cli

MISSPELT = "llm/litelm@1"


@pytest.fixture(autouse=True)
def _nothing_is_left(cli: Cli) -> Iterator[None]:
    yield
    cli("local", "stop", "--all")


def hint(cli: Cli, *arguments: str, **env: str) -> str:
    ran = cli("local", *arguments, "--json", env=env)
    assert (ran.status, ran.document["error"]["code"]) == (5, "ERR_NOT_RUNNING")
    return str(ran.document["error"]["hint"])


def test_a_ref_that_is_misspelt_is_corrected_by_what_is_started(cli: Cli) -> None:
    started(cli)
    shown = cli("local", "status", "--ref", MISSPELT)
    assert (shown.status, shown.err) == (0, f"{MISSPELT} is not started; started: {REF} (process)\n")
    for command in ("env", "logs", "url", "requests", "stop"):
        assert hint(cli, command, "--ref", MISSPELT) == f"theoryctl local {command} --ref {REF} --json"
    # One that exists is not taken for another.
    assert hint(cli, "stop", "--ref", "llm/mock@1") == "theoryctl local status"
    assert hint(cli, "url", "--ref", "llm/mok@1").startswith("theoryctl local start --ref llm/mock@1 ")


def test_embedded_says_who_asked_for_it(cli: Cli) -> None:
    started(cli)
    run = ("local", "run", "Hi", "--ref", REF, "--mode", "mock")
    assert "embedded, as --runtime says" in cli(*run, "--runtime", "embedded").err
    assert "embedded, as THEORYCTL_RUNTIME says" in cli(*run, env={"THEORYCTL_RUNTIME": "embedded"}).err
    cli("local", "stop", "--all")
    assert f"embedded: no instance of {REF} is started" in cli(*run).err


def test_the_runtime_of_a_hint_is_the_one_that_ran_last_and_docker_only_where_it_is(cli: Cli) -> None:
    elsewhere = {"DOCKER_HOST": "tcp://127.0.0.1:9"}
    assert "--runtime process" in hint(cli, "url", "--ref", REF)
    assert "--runtime docker" in hint(cli, "url", "--ref", REF, **elsewhere)
    started(cli)
    cli("local", "stop", "--all")
    for command in ("env", "requests", "logs"):
        assert "--runtime process" in hint(cli, command, "--ref", REF, **elsewhere)
    named = hint(cli, "run", "--ref", REF, "--name", "c", **elsewhere)
    assert named == f"theoryctl local start --ref {REF} --runtime process --name c"
