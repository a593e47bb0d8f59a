"""The code of a provider where it runs without an image."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from theoryctl.manifests.model import Image


def code_paths(root: Path, image: Image | None) -> tuple[str, ...]:
    """Return the paths that stand for an image's packages where there is no image: wheels, and sources of projects."""
    paths = [root / name for name in (image.build.packages if image and image.build else ())]
    return tuple(str(path / "src" if (path / "src").is_dir() else path) for path in paths)


#: Files whose change is noticed, and bytes of one that are read for it; of a longer one size and time count.
_MOST_FILES, _MOST_BYTES = 2000, 1 << 20


def code_digest(paths: tuple[str, ...]) -> str | None:
    """Return a digest of the files at these paths, which changes with them; None where nothing is there."""
    from theoryctl_providers.contract import sha256

    files = islice((file for path in paths for file in _files(path)), _MOST_FILES)
    facts = [f"{file}\0{_content(file)}" for file in files]
    return sha256("\0".join(facts).encode(errors="surrogateescape")) if facts else None


def _files(path: str) -> Iterator[str]:
    """The files at a path in a fixed order, without those that Python and tools write beside them."""
    if os.path.isfile(path):
        yield path
    for folder, below, names in os.walk(path):
        below[:] = sorted(name for name in below if name != "__pycache__" and not name.startswith("."))
        yield from (os.path.join(folder, name) for name in sorted(names) if not name.startswith("."))


def _content(file: str) -> str:
    from theoryctl_providers.contract import read_regular, sha256

    try:
        facts = os.stat(file)
        large = facts.st_size > _MOST_BYTES
        return f"{facts.st_size} {facts.st_mtime_ns}" if large else sha256(read_regular(file, _MOST_BYTES))
    except OSError as error:  # a link to nowhere, or a socket
        return str(error.errno)
