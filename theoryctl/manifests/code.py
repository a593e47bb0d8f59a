"""The code of a provider where it runs without an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from theoryctl.manifests.model import Image


def code_paths(root: Path, image: Image | None) -> tuple[str, ...]:
    """Return the paths that stand for an image's packages where there is no image: wheels, and sources of projects."""
    paths = [root / name for name in (image.build.packages if image and image.build else ())]
    return tuple(str(path / "src" if (path / "src").is_dir() else path) for path in paths)
