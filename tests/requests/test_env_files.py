"""Env files with lines that are nearly right: what is wrong is told, and no key is repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import REF, Cli

REAL = ("local", "run", "hi", "--ref", REF, "--mode", "real", "--env-file", "keys")
KEY = "sk-proj-0123456789abcdef"


@pytest.mark.parametrize("name", ["OPENAI_API_KYE", "openai_api_key", "OPENAI-API-KEY"])
def test_a_variable_whose_name_is_nearly_right_is_told(cli: Cli, working_folder: Path, name: str) -> None:
    (working_folder / "keys").write_text(f"{name}={KEY}\n")
    ran = cli(*REAL)
    assert (ran.status, KEY in ran.err) == (4, False)
    assert f" hint: write OPENAI_API_KEY instead of {name} in keys\n" in ran.err


def test_a_key_of_another_vendor_is_no_misspelling(cli: Cli, working_folder: Path) -> None:
    (working_folder / "keys").write_text(f"OR_API_KEY={KEY}\n")
    ran = cli(*REAL, "--model", "cohere/command-r")
    assert ran.status == 4
    assert "instead of" not in ran.err


@pytest.mark.parametrize("line", [KEY, "\x01\x02"])
def test_a_value_alone_on_a_line_is_refused(cli: Cli, working_folder: Path, line: str) -> None:
    (working_folder / "keys").write_text(f"# keys\n{line}\n")
    ran = cli(*REAL)
    assert (ran.status, KEY in ran.err) == (2, False)
    assert "--env-file keys: line 2 cannot be read\n hint: write NAME=value" in ran.err


def test_a_name_alone_on_a_line_is_left(cli: Cli, working_folder: Path) -> None:
    (working_folder / "keys").write_text("export EDITOR\n")
    assert cli(*REAL[:5], "--env-file", "keys").status == 0
