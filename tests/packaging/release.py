"""`make release-check`: rehearse a release up to its upload. `python -m tests.packaging.release [TAG]`."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from tests.conftest import ROOT
from tests.packaging.clone import fresh_clone
from theoryctl_providers.contract import VERSION


def problems(version: str, changelog: str, tag: str | None) -> list[str]:
    """Return what forbids a release of `version`: no section in the changelog, or another tag."""
    found = []
    if not re.search(rf"^## {re.escape(version)}( |$)", changelog, re.MULTILINE):
        found.append(f"CHANGELOG.md: expected a section ## {version}, got none")
    elif re.search(rf"^## {re.escape(version)} \(unreleased\)", changelog, re.MULTILINE):
        found.append(f"CHANGELOG.md: expected a date behind ## {version}, got (unreleased)")
    if tag is not None and tag != f"v{version}":
        found.append(f"tag: expected v{version}, got {tag}")
    return found


def built(folder: Path) -> dict[str, str]:
    """Build wheel and sdist of the last commit, and return their digests by name."""
    uv = str(Path(sys.executable).parent / "uv")
    command = [uv, "build", "--quiet", "--no-build-isolation", "--offline"]
    epoch = subprocess.check_output(["git", "log", "-1", "--format=%ct"], cwd=ROOT, text=True).strip()
    with tempfile.TemporaryDirectory() as place, fresh_clone(Path(place)) as clone:
        environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch}
        python = ["--python", sys.executable, "--out-dir", str(folder)]
        subprocess.run([*command, *python, str(clone)], check=True, env=environment)
    files = sorted(path for path in folder.iterdir() if path.suffix in (".whl", ".gz"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def first_line(wheel: Path, folder: Path) -> None:
    """Install a wheel in a fresh environment, and run the mock of README there."""
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin/pip", "install", "--quiet", wheel], check=True)
    run = [str(folder / "bin/theoryctl"), "local", "run", "--ref", "llm/litellm@1", "--mode", "mock"]
    subprocess.run(run, check=True, cwd=folder)


def main(tag: str | None = None) -> int:
    """Return 0 where the release could be uploaded, else 1."""
    if found := problems(VERSION, (ROOT / "CHANGELOG.md").read_text(), tag):
        sys.stderr.write("\n".join([*found, ""]))
        return 1
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        first, second = built(Path(one)), built(Path(other))
        if first != second:
            sys.stderr.write(f"expected the same files of two builds, got {first} and {second}\n")
            return 1
        (wheel,) = Path(one).glob("*.whl")
        first_line(wheel, Path(other) / "venv")
    sys.stdout.writelines(f"{digest}  {name}\n" for name, digest in first.items())
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
