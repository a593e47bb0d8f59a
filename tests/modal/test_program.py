"""Commands of Modal's own program exist wherever they are offered."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

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
        (("secret", "delete", "mine", "--yes", "--json"), ("secret", "delete", "mine", "--yes")),
    ],
)
def test_a_command_of_modals_own_that_was_typed_as_one_of_ours_is_said_whole(
    cli: Cli, typed: tuple[str, ...], meant: tuple[str, ...]
) -> None:
    error = cli("modal", *typed, env={"PATH": "/nowhere"}).document["error"]
    assert error["message"] == f"theoryctl modal has no command '{typed[0]}', but Modal's own program has"
    assert shlex.split(error["hint"]) == [sys.executable, "-m", "modal", *meant]


def test_a_token_that_was_typed_is_not_repeated(cli: Cli) -> None:
    secret = "as-5Kd9fjwQmz81HsYtRvbXae"
    ran = cli("modal", "token", "set", "--token-id", "ak-5Kd9fjwQmz81HsYtRvbXae", "--token-secret", secret)
    assert (ran.status, secret in ran.err) == (2, False)
    assert ran.err.endswith("modal token set\n")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("token", "set", "--token-id=short", "--token-secret=hidden"), "token set"),
        (("token", "set", "--token-secret", "hidden"), "token set"),
        (("token", "set", "as-hidden9fjwQmz81"), "token set"),
        (
            ("secret", "create", "mine", "OPENAI_API_KEY=hidden", "user=hidden", "--force"),
            "secret create mine OPENAI_API_KEY=- user=- --force",
        ),
        (("shell", "image.py", "SOME_TOKEN=hidden", "more"), "shell image.py"),
    ],
)
def test_a_value_that_does_not_look_like_a_key_is_not_repeated_either(
    cli: Cli, typed: tuple[str, ...], meant: str
) -> None:
    ran = cli("modal", *typed)
    assert (ran.status, "hidden" in ran.out + ran.err) == (2, False)
    assert ran.err.endswith(f"modal {meant}\n")


@pytest.mark.parametrize(
    "typed",
    [
        ("modal", "lgos", "A_KEY=hidden"),
        ("modal", "secrets", "create", "x", "A_KEY=hidden"),
        ("local", "rnu", "--token", "hidden"),
    ],
)
def test_a_command_of_ours_that_was_meant_does_not_repeat_one(cli: Cli, typed: tuple[str, ...]) -> None:
    ran = cli(*typed)
    assert (ran.status, "hidden" in ran.out + ran.err, "--help" in ran.err) == (2, False, True)


def test_a_list_of_secrets_is_ours(cli: Cli) -> None:
    assert cli("modal", "secret", "list").err.endswith("theoryctl modal secrets list\n")


def test_the_editor_is_asked_for_a_key_of_a_secret_that_has_no_value(tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text(f"#!/bin/sh\necho called >{tmp_path}/called\nexit 1\n")
    editor.chmod(0o755)
    command = [sys.executable, "-m", "modal", "secret", "create", "mine", "A_KEY=-"]
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "EDITOR": str(editor)}
    subprocess.run(command, env=env, input=b"\n", capture_output=True, timeout=60)  # it waits for Enter
    assert (tmp_path / "called").exists()


def test_modals_program_has_these_commands_and_ours_has_none_of_them(cli: Cli) -> None:
    listed = "from modal.cli.entry_point import entrypoint_cli; print(*entrypoint_cli.commands)"
    modals = subprocess.run([sys.executable, "-c", listed], capture_output=True, text=True, check=True).stdout.split()
    assert set(modals) >= {name.split()[0] for name in ITS_OWN}
    for name in ITS_OWN:
        assert cli("modal", *name.split(), "--help").status == 2
