"""Folders for batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.batch.rows import Files
from tests.conftest import Cli


@pytest.fixture
def files(cli: Cli, working_folder: Path) -> Files:
    return Files(working_folder, cli)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], working_folder: Path) -> Iterator[None]:
    """A batch that is called in this process has a folder and a home of its own."""
    monkeypatch.setenv("HOME", environment["HOME"])
    monkeypatch.chdir(working_folder)
    yield
