"""A folder with files that commands name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, Cli
from tests.hints.pasting import CANARY


@pytest.fixture
def folder(tmp_path: Path, cli: Cli, environment: dict[str, str]) -> Iterator[Path]:
    """The folder that commands run in, with files to name; what was started is stopped."""
    work = tmp_path / "work"
    (work / "it's.json").write_text('{"messages": [{"role": "user", "content": "Hi"}]}')
    (work / "answers.yaml").write_text("rules: [{answers: [{text: scripted}]}]\n")
    (work / "slow.yaml").write_text("rules: [{answers: [{text: late, delay: 0.5}]}]\n")
    (work / "note.txt").write_text("more than ten bytes")
    (work / "keys.env").write_text(f"OPENAI_API_KEY={CANARY}\n")
    (work / "mine/llm").mkdir(parents=True)
    (work / "mine/llm/mock@1.yaml").write_bytes((ROOT / "manifests/llm/mock@1.yaml").read_bytes())
    (work / "manifests").mkdir()
    (work / "recordings").mkdir()
    yield work
    if (Path(environment["HOME"]) / ".local/state/theoryctl/instances").exists():
        cli("local", "stop", "--all")
