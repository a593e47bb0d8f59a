"""Hints start an instance again with all that it was started with."""

from __future__ import annotations

import os
import shlex
import signal
from pathlib import Path

import pytest

from tests.conftest import REF, Cli
from tests.hints.pasting import CANARY, MOCK, RUN, RUN_MOCK, START, START_MOCK, commands_in, hint_of, paste


@pytest.fixture
def scripted(cli: Cli, folder: Path) -> tuple[str, ...]:
    """The command line that starts an instance with a script."""
    flags = ("--script", "answers.yaml", "--max-attachment", "10", "--wait-timeout", "70", "--manifests", ".")
    assert cli(*START_MOCK, *flags).status == 0
    return tuple(word if word in ("10", "70") or word.startswith("--") else str(folder / word) for word in flags)


def test_an_instance_that_died_comes_back_with_its_flags_wherever_one_stands(
    cli: Cli, folder: Path, scripted: tuple[str, ...], tmp_path: Path
) -> None:
    pid = cli("local", "status", "--json").document["instances"][0]["pid"]
    os.kill(pid, signal.SIGKILL)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    hint = hint_of(cli(*RUN_MOCK, "--prompt", "x", "--json", cwd=elsewhere))
    (words,) = commands_in(hint)
    assert sorted(words) == sorted(["theoryctl", *START_MOCK, *(word.removesuffix("/.") for word in scripted)])
    assert paste(cli, hint, cwd=elsewhere).status == 0
    assert cli(*RUN_MOCK, "--prompt", "x").out == "scripted\n"


@pytest.mark.parametrize(
    ("flags", "kept", "gone"),
    [
        (("--attach", "a=note.txt"), "--script", "--max-attachment 10"),
        (("--record", "here", "--mode", "real"), "--max-attachment 10", "--script"),
        (("--env-file", "keys.env"), "--script", "nothing"),
    ],
)
@pytest.mark.usefixtures("scripted")
def test_what_an_instance_was_not_started_with_is_given_to_it_anew(
    cli: Cli, folder: Path, flags: tuple[str, ...], kept: str, gone: str
) -> None:
    hint = hint_of(cli(*RUN_MOCK, "--prompt", "x", *flags, "--json"))
    assert kept in hint and gone not in hint
    started, _, run = hint.rpartition(" && ")
    assert paste(cli, started, env={"OPENAI_API_KEY": CANARY}).status == 0
    assert flags[0] not in commands_in(run)[0]


@pytest.mark.parametrize("flags", [("--script", "slow.yaml"), ("--mode", "real", "--env-file", "keys.env")])
@pytest.mark.usefixtures("scripted")
def test_started_otherwise_it_is_stopped_first(cli: Cli, folder: Path, flags: tuple[str, ...]) -> None:
    hint = hint_of(cli(*START_MOCK, *flags, "--json"))
    assert hint == shlex.join(["theoryctl", "local", "stop", "--ref", MOCK]) + " && " + hint.rpartition(" && ")[2]
    assert sorted(commands_in(hint)[1]) == sorted(["theoryctl", *START_MOCK, *flags])
    assert paste(cli, hint).status == 0


def test_a_key_that_an_instance_lacks_is_set_and_then_it_is_started_again(cli: Cli, folder: Path) -> None:
    assert cli(*START).status == 0
    hint = hint_of(cli(*RUN, "--mode", "real", "--prompt", "x", "--json"))
    again = shlex.join(("theoryctl", *START))
    assert hint == f"set OPENAI_API_KEY, then: theoryctl local stop --ref {REF} && {again}"
    assert paste(cli, hint, env={"OPENAI_API_KEY": CANARY}).status == 0


def test_an_instance_of_mocks_alone_is_started_without_its_mode_for_a_real_run(cli: Cli, folder: Path) -> None:
    assert cli(*START_MOCK, "--mode", "mock").status == 0
    run = (*RUN_MOCK, "--mode", "real", "--prompt", "x")
    stop, start, again = commands_in(hint_of(cli(*run, "--env-file", "keys.env", "--json")))
    assert stop == ["theoryctl", "local", "stop", "--ref", MOCK]
    assert sorted(start) == sorted(["theoryctl", *START_MOCK, "--env-file", "keys.env"])
    assert sorted(again) == sorted(["theoryctl", *run, "--json"])
    hint = hint_of(cli(*run, "--json"))
    assert sorted(commands_in(hint)[1]) == sorted(["theoryctl", *START_MOCK])
    assert "has no real mode" in paste(cli, hint).document["error"]["message"]


@pytest.mark.parametrize("is_started", [True, False])
def test_a_mock_that_is_to_be_recorded_is_not_turned_into_a_paid_request(
    cli: Cli, folder: Path, is_started: bool
) -> None:
    assert not is_started or cli(*START_MOCK).status == 0
    run = (*RUN_MOCK, "--prompt", "x", "--mode", "mock", "--json")
    ran = cli(*run, "--record", "here")
    assert "a vendor is asked, and paid" in ran.document["error"]["message"]
    assert [sorted(words) for words in commands_in(hint_of(ran))] == [sorted(["theoryctl", *run])]


def test_what_standard_input_held_is_left_out_of_the_commands_that_start_an_instance_again(
    cli: Cli, folder: Path
) -> None:
    assert cli(*START_MOCK).status == 0
    hint = hint_of(cli(*RUN_MOCK, "--env-file", "keys.env", "--json", stdin="from a pipe"))
    assert [words[1:3] for words in commands_in(hint)] == [["local", "stop"], ["local", "start"]]
