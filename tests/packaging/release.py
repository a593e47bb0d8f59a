"""`make release-check`: rehearse a release up to its upload. `python -m tests.packaging.release [TAG] [--out DIR]`."""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conftest import ROOT
from tests.packaging.clone import fresh_clone
from theoryctl_providers.contract import VERSION


def problems(version: str, changelog: str, tag: str | None) -> list[str]:
    """Return what forbids a release of `version`: no section in the changelog, and of a tag another one, or no date.

    Before there is a tag the section has no date yet: `make release` writes it.
    """
    found = []
    if not re.search(rf"^## {re.escape(version)}( |$)", changelog, re.MULTILINE):
        found.append(f"CHANGELOG.md: expected a section ## {version}, got none")
    elif tag and not re.search(rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)$", changelog, re.MULTILINE):
        found.append(f"CHANGELOG.md: expected a date in parentheses behind ## {version}; make release writes it")
    if tag is not None and tag != f"v{version}":
        found.append(f"tag: expected v{version}, got {tag}")
    return found


def built(folder: Path) -> dict[str, str]:
    """Build wheel and sdist of the last commit, with what has changed since, and return their digests by name."""
    command = [_program("uv"), "build", "--quiet", "--no-build-isolation", "--offline"]
    epoch = subprocess.check_output(["git", "log", "-1", "--format=%ct"], cwd=ROOT, text=True).strip()
    with tempfile.TemporaryDirectory() as place, fresh_clone(Path(place)) as clone:
        environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch}
        python = ["--python", sys.executable, "--out-dir", str(folder)]
        subprocess.run([*command, *python, str(clone)], check=True, env=environment)
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files(folder)}


def files(folder: Path) -> list[Path]:
    """List the wheel and the sdist of a folder."""
    return sorted(path for path in folder.iterdir() if path.suffix in (".whl", ".gz"))


def accepted(folder: Path) -> bool:
    """Return whether an index would take the files, and render their README; if not, twine has said why."""
    return subprocess.run([_program("twine"), "check", "--strict", *files(folder)], stdout=sys.stderr).returncode == 0


def first_line(wheel: Path, folder: Path) -> None:
    """Install a wheel in a fresh environment, and run the mock of README there."""
    subprocess.run([_program("uv"), "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    install = [_program("uv"), "pip", "install", "--quiet", "--python", str(folder / "bin/python"), str(wheel)]
    subprocess.run(install, check=True)
    run = [str(folder / "bin/theoryctl"), "local", "run", "--ref", "llm/litellm@1", "--mode", "mock"]
    subprocess.run(run, check=True, cwd=folder)


def main(tag: str | None = None, out: Path | None = None) -> int:
    """Return 0 where the release could be uploaded, else 1; its files are in `out` then."""
    if found := problems(VERSION, (ROOT / "CHANGELOG.md").read_text(), tag):
        sys.stderr.write("\n".join([*found, ""]))
        return 1
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        folder = out or Path(one)
        first, second = built(folder), built(Path(other))
        if first != second:
            sys.stderr.write(f"expected the same files of two builds, got {first} and {second}\n")
            return 1
        if not accepted(folder):
            return 1
        (wheel,) = folder.glob("*.whl")
        first_line(wheel, Path(other) / "venv")
    sys.stdout.writelines(f"{digest}  {name}\n" for name, digest in first.items())
    return 0


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("tag", nargs="?")
    parser.add_argument("--out", type=Path)
    sys.exit(main(**vars(parser.parse_args())))
