"""docs/instances.md is true: its commands run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.conftest import ROOT, THEORYCTL
from tests.packaging.test_readme import blocks


def test_what_the_page_shows_works(environment: dict[str, str], working_folder: Path) -> None:
    (working_folder / "answers.yaml").write_bytes((ROOT / "docs/answers.yaml").read_bytes())
    (commands,) = blocks((ROOT / "docs/instances.md").read_text(), "sh")
    path = f"{THEORYCTL.parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"set -e\n{commands}"],
        capture_output=True,
        text=True,
        env={**environment, "PATH": path},
        cwd=working_folder,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "llm/litellm@1\tprocess:scripted\trunning\thealthy" in done.stdout
    assert done.stdout.endswith("stopped llm/litellm@1 (process:scripted)\nstopped llm/litellm@1 (process)\n")
