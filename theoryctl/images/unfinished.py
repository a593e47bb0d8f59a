"""Images that a build made on its way, to be removed where it came to no end.

The daemon keeps each step of a build as an image. Those of a finished build are its cache; those of one that failed, or
was killed, nobody uses any more. They are written down as they are told of, so that a build that was killed leaves its
list to the next one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from theoryctl.docker.daemon import explained, found
from theoryctl.docker.images import inspect
from theoryctl.errors import DockerFailed
from theoryctl.paths import file_lock, private_folder

_STEP = re.compile(r"Step \d+/\d+ : (\w+)")
_IMAGE = re.compile(r"---> ([0-9a-f]{12,64})")
_CACHED = "---> Using cache"


class Steps:
    """The images that a build says it has made, each written down in a file at once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known = True  # the image that follows was there before: a base, or the cache's

    def read(self, line: str) -> None:
        """Read a line of the daemon's output, as its classic builder writes them."""
        if step := _STEP.match(line):
            self._known = step[1].upper() == "FROM"
        elif line == _CACHED:
            self._known = True
        elif (image := _IMAGE.fullmatch(line)) and not self._known:
            with self._file.open("a") as file:
                file.write(f"{image[1]}\n")


@contextmanager
def removed_unless_finished(api: Any, file: Path) -> Iterator[Steps]:
    """Collect the images of a build in `file`, and remove them if it fails; those of earlier builds that were killed
    are removed first."""
    private_folder(file.parent)
    _remove(api, file)
    for other in file.parent.glob(f"*{file.suffix}"):
        _remove_abandoned(api, other)
    try:
        yield Steps(file)
    except BaseException:
        with suppress(DockerFailed):
            _remove(api, file)
        raise
    file.unlink(missing_ok=True)


def _remove_abandoned(api: Any, file: Path) -> None:
    """Remove what a build left, unless it still runs: then it holds its lock, as this one does its own."""
    with suppress(OSError), file_lock(file.with_suffix(".lock"), seconds=0):
        _remove(api, file)


def _remove(api: Any, file: Path) -> None:
    """Remove the images that a file lists, the last one first, but for those that have a name by now; what a container
    still uses stays on the list for the next time."""
    try:
        images = file.read_text().split()
    except OSError:
        return
    if all(_is_removed(api, image) for image in reversed(images)):
        file.unlink(missing_ok=True)


def _is_removed(api: Any, image: str) -> bool:
    known = inspect(api, image)
    if known is None or known.tags or known.digests:
        return True
    try:
        with explained(DockerFailed):
            found(api.remove_image, image, noprune=True)
    except DockerFailed:
        return False
    return True
