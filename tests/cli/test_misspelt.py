"""Commands that do not exist: the one that was meant is said whole, and works when it is pasted."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.conftest import REF, Cli

RUN = ("--ref", REF, "--mode", "mock", "--json")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("run", *RUN), ("local", "run", *RUN)),
        (("local", "rn", *RUN), ("local", "run", *RUN)),
        (("local", "chat", *RUN), ("local", "run", *RUN)),
        (("ps",), ("local", "status")),
        (("list", "--json"), ("manifest", "list", "--json")),
        (("--json", "mnifest", "list"), ("manifest", "list", "--json")),
        (("local", "list"), ("local", "status")),
        (("image", "ls"), ("image", "--help")),
        (("recordings", "list"), ("recordings", "--help")),
        (("manifest", "rm"), ("manifest", "--help")),
        (("login",), ("models",)),
        (("auth",), ("models",)),
        (("ask", "hi", *RUN), ("local", "run", "hi", *RUN)),
        (("runs", "ls"), ("runs", "list")),
        (("run", "list", "--json"), ("runs", "list", "--json")),
        (("run", "ls", "--json"), ("runs", "list", "--json")),
        (("list", "runs"), ("runs", "list")),
        (("show", "manifest", REF), ("manifest", "show", REF)),
        (("cost", "run"), ("runs", "cost")),
        (("providers", "ls"), ("manifest", "list")),
        (("instances", "ls"), ("local", "status")),
        (("model", "list"), ("models",)),
        (("ps", "-a"), ("local", "status")),
        (("help", "run"), ("local", "run", "--help")),
        (("manifest", "view", REF), ("manifest", "show", REF)),
        (("manifest", "inspect", REF), ("manifest", "show", REF)),
        (("runs", "stats"), ("runs", "cost")),
        (("local", "stats"), ("local", "status")),
        (("local", "restart"), ("local", "status")),
    ],
)
def test_the_command_that_was_meant_is_said_whole(cli: Cli, typed: tuple[str, ...], meant: tuple[str, ...]) -> None:
    refused = cli(*typed)
    hint = refused.document["error"]["hint"] if "--json" in typed else refused.err.partition("hint: ")[2].strip()
    assert (refused.status, shlex.split(hint)) == (2, ["theoryctl", *meant])
    assert cli(*meant).status == 0


def test_scripts_are_checked_and_manifests_validated_whichever_is_typed(cli: Cli, working_folder: Path) -> None:
    assert cli("manifest", "check", "x.yaml").err.endswith("hint: theoryctl manifest validate x.yaml\n")
    assert cli("manifest", "check", REF).err.endswith(f"hint: theoryctl manifest validate {REF}\n")
    assert cli("manifest", "validate", REF).out == cli("manifest", "validate").out.splitlines(keepends=True)[0]
    (working_folder / "answers.yaml").write_text("rules: [{answers: [{text: Hello}]}]\n")
    assert cli("mocks", "validate", "answers.yaml").err.endswith("hint: theoryctl mocks check answers.yaml\n")
    assert cli("mocks", "check", "answers.yaml").status == 0


def test_restart_is_told_as_a_stop_and_a_start_with_all_that_the_instance_was_started_with(cli: Cli) -> None:
    start = f"theoryctl local start --ref {REF} --runtime process --mode mock"
    assert cli(*start.split()[1:]).status == 0
    try:
        for typed in ((), ("--ref", REF)):
            hint = cli("local", "restart", *typed, "--json").document["error"]["hint"]
            assert hint == f"theoryctl local stop --ref {REF} && {start}"
        other = cli("local", "restart", "--ref", "llm/mock@1", "--json").document["error"]["hint"]
        assert other == "theoryctl local status --ref llm/mock@1 --json"
    finally:
        assert cli("local", "stop", "--all").status == 0


@pytest.mark.parametrize(
    "typed", [("recordings", "list", "recordings"), ("recordings", "show", "a.json"), ("mocks", "inspect", "a.yaml")]
)
def test_a_command_of_another_group_that_cannot_take_the_words_is_not_meant(cli: Cli, typed: tuple[str, ...]) -> None:
    assert cli(*typed).err.endswith(f"hint: theoryctl {typed[0]} --help\n")


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        (("modal", "list"), "modal status"),
        (("modal", "remove", "--env", "prod"), "modal stop --help"),
        (("modal", "remove", "--ref", REF, "--env", "prod"), f"modal stop --ref {REF} --env prod"),
        (("rm",), "local stop --help"),
        (("delete", "--all"), "local stop --all"),
        (("create",), "manifest new --help"),
        (("create", "acme/x@1"), "manifest new acme/x@1"),
        (("history",), "runs list"),
        (("local", "history"), "runs list"),
        (("runs", "rm", "01abc"), "runs --help"),
        (("local", "remove", "--force"), "local --help"),
        (("pun", "hi"), "--help"),
        (("explian", "ERR_DOCKER"), "explain ERR_DOCKER"),
        (("modal", "url", "--ref", REF, "--env", "prod"), f"modal env --ref {REF} --env prod"),
        (("image", "logs", "--to", "x"), "image --help"),
        (("runs", "delete"), "runs prune"),
        (("update",), "--help"),
        (("setup",), "doctor"),
        (("completion",), "--show-completion"),
        (("completion", "zsh"), "--show-completion zsh"),
    ],
)
def test_a_word_of_other_tools_leads_to_a_command_that_takes_what_was_typed(
    cli: Cli, typed: tuple[str, ...], hint: str
) -> None:
    assert cli(*typed).err.endswith(f" hint: theoryctl {hint}\n")


def test_a_word_that_is_near_to_nothing_leads_to_the_help(cli: Cli) -> None:
    assert cli("modal", "zzzz").err.endswith("hint: theoryctl modal --help\n")


@pytest.mark.parametrize("group", [(), ("local",), ("modal",)])
def test_an_option_where_only_a_command_can_stand_is_no_command(cli: Cli, group: tuple[str, ...]) -> None:
    ran = cli(*group, "--", "--json")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"error ERR_USAGE: {' '.join(('theoryctl', *group))} has no command '--json'\n")


@pytest.mark.parametrize("group", [(), ("local",), ("image",)])
def test_a_group_alone_prints_its_help(cli: Cli, group: tuple[str, ...]) -> None:
    alone = cli(*group)
    assert (alone.status, alone.out, alone.err) == (0, cli(*group, "--help").out, "")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("--temperature", "0.2", "hi", *RUN), ("hi", *RUN, "-o", "temperature=0.2")),
        (("hi", "--top-p=0.5", *RUN), ("hi", *RUN, "-o", "top_p=0.5")),
        (("hi", "--max-tokens", "5", *RUN), ("hi", *RUN, "-o", "max_tokens=5")),
        (("hi", "--temprature", "1", *RUN), ("hi", *RUN, "-o", "temperature=1")),
        (("hi", "--temp", "1", *RUN), ("hi", *RUN, "-o", "temperature=1")),
    ],
)
def test_an_input_that_was_typed_as_a_flag_is_given_with_o(
    cli: Cli, typed: tuple[str, ...], meant: tuple[str, ...]
) -> None:
    refused = cli("local", "run", *typed)
    assert refused.status == 2
    assert shlex.split(refused.document["error"]["hint"]) == ["theoryctl", "local", "run", *meant]
    assert cli("local", "run", *meant).status == 0


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("-o", "temprature=0.2"), ("-o", "temperature=0.2")),
        (("-o", "reasoning_effort=hihg"), ("-o", "reasoning_effort=high")),
        (
            ("-o", "temprature=0.2", "-o", "top-p=1", "-o", "seed=1"),
            ("-o", "temperature=0.2", "-o", "top_p=1", "-o", "seed=1"),
        ),
        (("-m", "opnai/gpt-4o-mini", "-o", "seed=1"), ("-m", "openai/gpt-4o-mini", "-o", "seed=1")),
        (("-o", "model=opnai/gpt-4o-mini"), ("-o", "model=openai/gpt-4o-mini")),
    ],
)
def test_a_slip_in_an_input_or_a_model_is_corrected_in_the_command_that_was_typed(
    cli: Cli, typed: tuple[str, ...], meant: tuple[str, ...]
) -> None:
    refused = cli("local", "run", "hi", *RUN, *typed)
    hint = shlex.split(refused.document["error"]["hint"])
    assert refused.status == 3
    assert spelt(hint) == spelt(["theoryctl", "local", "run", "hi", *RUN, *meant])
    assert cli(*hint[1:]).status == 0


def test_a_model_without_a_vendor_is_given_one_in_the_command_that_was_typed(cli: Cli) -> None:
    refused = cli("local", "run", "hi", "--ref", REF, "--mode", "real", "--json", "-m", "claude-sonnet-4-5")
    hint = shlex.split(refused.document["error"]["hint"])
    wanted = ("local", "run", "hi", "--ref", REF, "--mode", "real", "--json", "-m", "anthropic/claude-sonnet-4-5")
    assert spelt(hint) == spelt(["theoryctl", *wanted])


def test_a_value_that_an_input_cannot_have_is_told_with_those_it_can(cli: Cli) -> None:
    ran = cli("local", "run", "hi", *RUN, "-o", "temperature=hot", "--json")
    assert ran.document["error"]["message"] == 'inputs: $.temperature: expected a number from 0 to 2, got "hot"'
    assert ran.document["error"]["hint"] == "set temperature to a number from 0 to 2"


def test_a_slip_that_was_not_typed_is_told_as_a_sentence(cli: Cli, working_folder: Path) -> None:
    (working_folder / "inputs.json").write_text('{"messages": [{"role": "usr", "content": "hi"}]}')
    refused = cli("local", "run", *RUN, "--inputs-file", "inputs.json", "-o", "seed=1")
    assert refused.document["error"]["hint"] == "write 'user' instead of 'usr'"


def spelt(words: list[str]) -> list[str]:
    """The words of a command in one order, with the long names of flags."""
    return sorted({"-o": "--option", "-m": "--model"}.get(word, word) for word in words)


def test_an_unknown_flag_that_is_no_input_is_what_it_was(cli: Cli) -> None:
    error = cli("local", "run", "--frobnicate", "1", "hi", *RUN).document["error"]
    assert error["message"] == "theoryctl local run has no option --frobnicate"
    for typed, meant in (("--promt", "--prompt"), ("--modle", "--model"), ("--modl", "--model"), ("--mdoe", "--mode")):
        assert f"theoryctl local run {meant} x" in cli("local", "run", typed, "x", *RUN).document["error"]["hint"]
