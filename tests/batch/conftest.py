"""A folder with the files of one batch."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.batch.rows import Files
from tests.conftest import Cli


@pytest.fixture
def files(cli: Cli, working_folder: Path) -> Files:
    return Files(working_folder, cli)
