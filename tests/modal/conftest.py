"""Fixtures of the tests with Modal: the tests' own service, and programs that use modal's real client with it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.modal.sdk import Calling, Remote, Sdk, is_answered
from tests.modal.service import Modal


@pytest.fixture
def modal() -> Iterator[Modal]:
    """Modal's service, with the environments main (the default) and dev."""
    with Modal() as service:
        yield service


@pytest.fixture
def sdk(modal: Modal, tmp_path: Path) -> Sdk:
    return Sdk(modal, tmp_path)


@pytest.fixture
def remote(sdk: Sdk) -> Remote:
    return Remote(sdk)


@pytest.fixture
def calling(remote: Remote) -> Iterator[Calling]:
    started = []

    def start(waits: bool = False) -> subprocess.Popen[str]:
        started.append(remote.start())
        assert waits or is_answered(started[-1])
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()
