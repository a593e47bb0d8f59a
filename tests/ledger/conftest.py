"""Ledgers for tests: a vendor whose answers have a price, and rows by the thousand."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REF, Cli, Ran
from tests.real.conftest import CANARY
from tests.real.vendor import Vendor

MODEL = "openai/gpt-4o-mini"

Ask = Callable[..., Ran]


@pytest.fixture
def ask(cli: Cli) -> Ask:
    """Run one real request to a vendor that answers it, or behaves as `by` says; `env` adds variables."""

    def ask(*flags: str, prompt: str = "Say hello.", by: Any = None, env: dict[str, str] | None = None) -> Ran:
        with Vendor(by) as vendor:
            keys = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": vendor.addresses["OPENAI_BASE_URL"]}
            flags = ("--mode", "real", "--prompt", prompt, "--json", *flags)
            return cli("local", "run", "--ref", REF, *flags, env={**keys, **(env or {})})

    return ask


@pytest.fixture
def state(environment: dict[str, str]) -> Path:
    """The folder of state."""
    return Path(environment["HOME"]) / ".local/state/theoryctl"


def rows(cli: Cli, *flags: str) -> list[dict[str, Any]]:
    """The runs that `runs list` tells of, the newest first."""
    found: list[dict[str, Any]] = cli("runs", "list", *flags, "--json").document["runs"]
    return found


def query(state: Path, sql: str) -> list[Any]:
    """The rows that SQLite itself finds in the ledger."""
    with closing(sqlite3.connect(state / "ledger.db")) as connection:
        return connection.execute(sql).fetchall()
