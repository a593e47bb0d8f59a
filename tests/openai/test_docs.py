"""docs/openai.md is true: its commands run."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import ROOT
from tests.openai.conftest import Variables
from tests.openai.test_env import shell
from tests.packaging.test_readme import blocks


def test_what_the_page_shows_works(home: Variables, tmp_path: Path) -> None:
    (commands,) = blocks((ROOT / "docs/openai.md").read_text(), "sh")
    done = shell(f"set -e\n{commands}", home, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Mock answer") == 2
    assert "stopped llm/litellm@1" in done.stdout
