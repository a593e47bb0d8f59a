"""Commands of Modal's own program exist wherever they are offered."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

from tests.conftest import Cli
from theoryctl.modal.program import ITS_OWN, new_token


def test_where_modal_is_not_on_the_path_the_command_of_an_error_works(cli: Cli) -> None:
    ran = cli("modal", "status", "--json", env={"PATH": "/nowhere"})
    assert (ran.status, ran.document["error"]["code"]) == (4, "ERR_MODAL_AUTH")
    before, _, command = ran.document["error"]["hint"].partition(", or run: ")
    assert before == "set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET"
    shown = subprocess.run([*shlex.split(command), "--help"], capture_output=True, text=True)
    assert (shown.returncode, "Create a new token" in shown.stdout) == (0, True), shown.stderr


def test_where_modal_is_missing_it_is_installed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setitem(sys.modules, "modal", None)
    installing, _, making = new_token().partition(" && ")
    assert "install" in installing and "modal" in installing
    assert making == shlex.join([sys.executable, "-m", "modal", "token", "new"])


def test_where_modal_is_on_the_path_it_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(sys.prefix) + "/bin")
    assert new_token() == "modal token new"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("token", "new", "--json"), ("token", "new")),
        (("token", "--json"), ("token", "new")),
        (("setup", "--json"), ("setup",)),
        (("environment", "create", "prod", "--json"), ("environment", "create", "prod")),
    ],
)
def test_a_command_of_modals_own_that_was_typed_as_one_of_ours_is_said_whole(
    cli: Cli, typed: tuple[str, ...], meant: tuple[str, ...]
) -> None:
    error = cli("modal", *typed, env={"PATH": "/nowhere"}).document["error"]
    assert error["message"] == f"No such command '{typed[0]}': it is one of Modal's own program"
    assert shlex.split(error["hint"]) == [sys.executable, "-m", "modal", *meant]


def test_a_token_that_was_typed_is_not_repeated(cli: Cli) -> None:
    secret = "as-5Kd9fjwQmz81HsYtRvbXae"
    ran = cli("modal", "token", "set", "--token-id", "ak-5Kd9fjwQmz81HsYtRvbXae", "--token-secret", secret)
    assert (ran.status, secret in ran.err) == (2, False)
    assert ran.err.endswith("modal token set\n")


def test_modals_program_has_these_commands_and_ours_has_none_of_them(cli: Cli) -> None:
    listed = "from modal.cli.entry_point import entrypoint_cli; print(*entrypoint_cli.commands)"
    modals = subprocess.run([sys.executable, "-c", listed], capture_output=True, text=True, check=True).stdout.split()
    assert set(modals) >= ITS_OWN
    for name in ITS_OWN:
        assert cli("modal", name, "--help").status == 2
