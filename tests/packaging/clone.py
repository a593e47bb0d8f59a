"""A fresh clone of the repository, with what has not been committed yet."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT


@contextmanager
def fresh_clone(folder: Path) -> Iterator[Path]:
    """Clone HEAD into `folder`, then lay every changed or new file that git does not ignore over it."""
    clone = folder / "theoryctl"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, clone], check=True)
    for name in _git("ls-files", "--modified", "--others", "--exclude-standard"):
        target = clone / name
        if (ROOT / name).is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
        else:
            target.unlink(missing_ok=True)
    yield clone
    shutil.rmtree(clone, ignore_errors=True)


def _git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()
