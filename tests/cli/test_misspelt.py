"""Commands that do not exist: the one that was meant is said whole, and works when it is pasted."""

from __future__ import annotations

import shlex

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
        (("image", "ls"), ("manifest", "list")),
        (("manifest", "inspect", REF), ("manifest", "show", REF)),
    ],
)
def test_the_command_that_was_meant_is_said_whole(cli: Cli, typed: tuple[str, ...], meant: tuple[str, ...]) -> None:
    refused = cli(*typed)
    hint = refused.document["error"]["hint"] if "--json" in typed else refused.err.partition("hint: ")[2].strip()
    assert (refused.status, shlex.split(hint)) == (2, ["theoryctl", *meant])
    assert cli(*meant).status == 0


def test_a_word_that_is_near_to_nothing_leads_to_the_help(cli: Cli) -> None:
    assert cli("modal", "zzzz").err.endswith("hint: theoryctl modal --help\n")


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
    ],
)
def test_an_input_that_was_typed_as_a_flag_is_given_with_o(
    cli: Cli, typed: tuple[str, ...], meant: tuple[str, ...]
) -> None:
    refused = cli("local", "run", *typed)
    assert refused.status == 2
    assert shlex.split(refused.document["error"]["hint"]) == ["theoryctl", "local", "run", *meant]
    assert cli("local", "run", *meant).status == 0


def test_an_unknown_flag_that_is_no_input_is_what_it_was(cli: Cli) -> None:
    assert (
        cli("local", "run", "--temprature", "1", "hi", *RUN).document["error"]["message"].startswith("No such option")
    )
    assert "theoryctl local run --prompt x" in cli("local", "run", "--promt", "x", *RUN).document["error"]["hint"]
