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
    """Run a program with modal's client in a process of its own; it must succeed unless `fails`."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MODAL_")}
    environment |= modal.variables | {"MODAL_PAYLOAD_FORMAT": "cbor", "MODAL_IMAGE_BUILDER_VERSION": "2025.06"}

    def run(text: str, fails: bool = False, **more: str) -> Ran:
        program = "import modal\n" + textwrap.dedent(text)
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**environment, **more},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    return run
