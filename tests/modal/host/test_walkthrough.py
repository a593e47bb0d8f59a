"""docs/modal.md is true: its commands print what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.modal.host.walkthrough import BLOCK, PAGE, run_page
from theoryctl.modal.sdk import OLDEST


def test_the_walkthrough_prints_what_the_page_says_and_ends_in_a_real_answer() -> None:
    text = PAGE.read_text()
    assert run_page(text) == text, "write it anew: python -m tests.modal.host.walkthrough"
    assert "Hello there!" in BLOCK.findall(text)[2]
    assert "canary" not in text


@pytest.mark.slow("theoryctl/modal/*", "theoryctl/runtimes/modal.py", "pyproject.toml")
def test_the_walkthrough_is_the_same_with_the_oldest_client_of_modal_that_is_allowed(tmp_path: Path) -> None:
    oldest = "modal==" + ".".join(map(str, OLDEST))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path), oldest]
    subprocess.run(pip, check=True)
    text = PAGE.read_text()
    assert run_page(text, PYTHONPATH=str(tmp_path)) == text
