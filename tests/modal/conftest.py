"""What the tests with Modal share: the tests' own service, and programs that use modal's real client with it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Ran
from tests.modal.service import Modal

#: A program of modal's real client, as text, and what it printed.
Sdk = Callable[..., Ran]


@pytest.fixture
def modal() -> Iterator[Modal]:
    """Modal's service, with the environments main (the default) and dev."""
    with Modal() as service:
        yield service


@pytest.fixture
def sdk(modal: Modal, tmp_path: Path) -> Sdk:
    return client(modal, tmp_path)


def client(service: Modal, folder: Path) -> Sdk:
    """Run a program with modal's client in a process of its own and in this folder; it must succeed unless `fails`."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MODAL_")}
    settings = {"MODAL_PAYLOAD_FORMAT": "cbor", "MODAL_IMAGE_BUILDER_VERSION": "2025.06"}

    def run(text: str, fails: bool = False, timeout: float = 60, **more: str) -> Ran:
        program = "import modal\n" + textwrap.dedent(text)
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**clean, **settings, **service.variables, **more},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    return run
