"""docs/modal.md, run: `python -m tests.modal.host.walkthrough` writes what its commands print now into the page.

The tests' own Modal stands for the real one, and a server on this machine for the vendor. What differs each time (IDs,
times) is written as one and the same.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.conftest import ROOT, THEORYCTL
from tests.modal.host.images import image_with
from tests.modal.service import Modal
from tests.real.vendor import Vendor

PAGE = ROOT / "docs/modal.md"
BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
#: The digest of an image that nobody has pushed.
DIGEST = "sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"
#: What differs each time, and what stands for it.
SAME = {
    r"(?m)^the container (is starting|has started).*\n": "",
    r"ap-[A-Za-z0-9]{22}": "ap-3f0JXx5tVqRz1LmBcD7kWn",
    r"run_[0-9a-f]{32}": "run_0f8fad5bd9cb469fa16570867728950e",
    r"\b[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d +ok +[\d.]+ m?s\b": "Jan 01 00:00:00  ok      412 ms",
    r"(?m) · [\d.]+ m?s( \([\d.]+ m?s to load the provider\))?( · after [\d.]+ m?s of waiting)?$": " · 412 ms",
    r"\b\d+ (s|min) ago": "9 s ago",
    r"http://127\.0\.0\.1:\d+": "https://your-workspace--llm-litellm-v1-server.us-east.modal.direct",
}


def run_page(text: str, **more: str) -> str:
    """The page with what its commands print, in an environment that has `more`."""
    with tempfile.TemporaryDirectory() as name, Vendor() as vendor, Modal(environments=("prod",)) as modal:
        folder = Path(name)
        modal.image_python = image_with(folder, **vendor.addresses)
        _project(folder)
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG")}
        clean = {**kept, "PATH": f"{THEORYCTL.parent}:{kept['PATH']}", "HOME": name, **modal.variables, **more}
        return BLOCK.sub(lambda block: _run_block(block[0], folder / "project", clean), text)


def _project(folder: Path) -> None:
    """A project whose manifest pins an image, and whose .env has a key."""
    shutil.copytree(ROOT / "manifests", folder / "project/manifests")
    manifest = folder / "project/manifests/llm/litellm@1.yaml"
    pinned = f"llm-litellm\n  digests: {{linux/amd64: {DIGEST}}}\n"
    manifest.write_text(manifest.read_text().replace("llm-litellm\n", pinned))
    (folder / "project/.env").write_text("OPENAI_API_KEY=sk-canary-0123456789\n")


def _run_block(block: str, folder: Path, environment: dict[str, str]) -> str:
    commands = [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]
    return "".join(f"$ {command}\n{_run(command, folder, environment)}" for command in commands)


def _run(command: str, folder: Path, environment: dict[str, str]) -> str:
    """Run a command, and return both streams in their order."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    shown = done.stdout
    for pattern, instead in SAME.items():
        shown = re.sub(pattern, instead, shown)
    return shown


if __name__ == "__main__":
    PAGE.write_text(run_page(PAGE.read_text()))
