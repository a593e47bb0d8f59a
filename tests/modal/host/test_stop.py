"""`theoryctl modal stop`, and the log of an app that was stopped."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import pytest
from packaging.version import Version

from tests.conftest import REF, Cli, Ran
from tests.docker.conftest import error
from tests.modal.host.conftest import APP
from tests.modal.service import Modal
from theoryctl.modal import apps

Start = Callable[..., Ran]
#: What a Secret holds that no key was put into yet.
EMPTY = {"THEORYCTL_APP": APP}


def test_stop_ends_the_app_and_its_containers_and_keeps_the_secret(start: Start, cli: Cli, modal: Modal) -> None:
    start()
    assert cli("modal", "run", "--ref", REF).status == 0
    document = cli("modal", "stop", "--ref", REF, "--json").document
    identity = document["app_id"]
    assert document == {"schema": "theoryctl.undeployed/v1", "ref": REF, "app": APP, "environment": "dev",
        "stopped": True, "app_id": identity, "kept_secret": APP, "kept_answers": []}  # fmt: skip
    assert (modal.apps(), modal.volumes(), modal.secrets()) == ({}, {}, {APP: EMPTY})
    assert modal.dicts() == {}
    again = cli("modal", "stop", "--ref", REF, "--json")
    assert (again.status, again.document) == (0, {**document, "stopped": False, "app_id": None})
    ran = cli("modal", "stop", "--ref", REF)
    assert (ran.out, ran.err) == (f"{APP} (dev) is not deployed\n", "")


def test_who_stops_an_app_is_told_the_command_that_still_shows_its_log(start: Start, cli: Cli) -> None:
    start()
    assert cli("modal", "run", "--ref", REF).status == 0
    said = cli("modal", "stop", "--ref", REF).err
    shown = cli(*said.partition("to see its log: theoryctl ")[2].split())
    if Version(version("modal")) >= Version(apps.FIRST_WITH_IDS):
        assert "openai/gpt-4o-mini" in shown.out, said
    else:
        assert "finds no app by its ID" in shown.err
        assert f"'modal>={apps.FIRST_WITH_IDS}'" in shown.err


def test_a_name_that_only_begins_as_an_id_is_a_name(start: Start, cli: Cli) -> None:
    start(env={"GIT_BRANCH": "ap-feature"})
    assert cli("modal", "logs", "--ref", REF, "--app", f"ap-feature-alice-{APP.partition('alice-')[2]}").status == 0
    ran = cli("modal", "logs", "--ref", REF, "--app", "ap-x y", "--json")
    assert "finds no app by its ID" not in ran.err
    assert "Invalid App name: 'ap-x y'" in ran.document["error"]["message"]


@pytest.mark.parametrize("words", [("stop",), ("rollback",), ("run", "--prompt", "x")])
def test_an_id_names_no_app_but_where_a_log_is_read(words: tuple[str, ...], start: Start, cli: Cli) -> None:
    start()
    identity = cli("modal", "stop", "--ref", REF, "--json").document["app_id"]
    ran = cli("modal", *words, "--ref", REF, "--app", identity, "--json")
    assert error(ran) == (2, "ERR_USAGE")
    message = f"--app: expected the name of an app, got the ID {identity}"
    hint = f"theoryctl modal status --ref {REF} --env dev"
    found = ran.document["error"]
    assert (found["message"], found["hint"]) == (message, hint)
