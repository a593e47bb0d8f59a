"""The command that makes a token for Modal exists wherever it is offered."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

from tests.conftest import Cli
from theoryctl.modal.token import new_token


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
