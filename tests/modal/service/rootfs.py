"""The file system of a container: this machine's own, with the mounts of the function in their places.

Nothing is written outside of the container's mount namespace, which goes away with the container's last process. The
tools are util-linux's `unshare` and `mount`, and `chroot`; without root's rights a user namespace gives them.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

#: What a container runs.
ENTRYPOINT = "modal._container_entrypoint"

#: Folders by name, down to the file or folder that is to appear there.
Tree = dict[str, Any]
#: Where Docker, too, looks for programs by default.
TOOLS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Machine(Protocol):
    """Runs a container's entrypoint from an image."""

    def start(self, folder: Path, places: Mapping[str, Path], environment: Mapping[str, str]) -> list[str]:
        """A command that runs the entrypoint with files in their places; `folder` is the container's own."""

    def environment(self, environment: Mapping[str, str]) -> Mapping[str, str]:
        """The environment of that command, for a container that has this one."""

    async def clear(self, name: str) -> None:
        """Remove what the end of the command has left of the container whose folder has this name."""


@dataclass(frozen=True)
class Interpreter(Machine):
    """An interpreter of this machine, which stands for every image, in a mount namespace."""

    python: str

    def start(self, folder: Path, places: Mapping[str, Path], environment: Mapping[str, str]) -> list[str]:
        (folder / "fs").mkdir()
        return command(folder / "fs", places, [self.python, "-m", ENTRYPOINT])

    def environment(self, environment: Mapping[str, str]) -> Mapping[str, str]:
        return environment

    async def clear(self, name: str) -> None:
        pass


def command(root: Path, places: Mapping[str, Path], argv: Sequence[str]) -> list[str]:
    """A command that runs `argv` in /root of such a file system, which is composed at `root`, an empty folder. It
    replaces itself by `argv`, which keeps its process ID."""
    lines = ["set -e", _line("mount", "-t", "tmpfs", "tmpfs", root), *_compose(Path("/"), root, _tree(places))]
    inside = 'cd /root && exec "$@"'
    lines.append(f"exec {_line('chroot', root, '/bin/sh', '-c', inside, 'sh')} {shlex.join(argv)}")
    rights = [] if os.geteuid() == 0 else ["--map-root-user"]
    return [_tool("unshare"), "--mount", *rights, "/bin/sh", "-c", "\n".join(lines)]


def _tree(places: Mapping[str, Path]) -> Tree:
    tree: Tree = {"root": {}}
    for place, source in places.items():
        *folders, name = Path(place).parts[1:]
        here = tree
        for folder in folders:
            here = here.setdefault(folder, {})
        here[name] = source
    return tree


def _compose(host: Path, here: Path, tree: Tree) -> Iterator[str]:
    """A folder with the entries of the machine's own, where there is such a folder, and those of the tree instead."""
    yield _line("mkdir", "-p", here)
    own = sorted(host.iterdir()) if host.is_dir() and os.access(host, os.R_OK) else []
    for entry in own:
        if entry.name not in tree:
            yield _bind(entry, here / entry.name)
    for name, below in tree.items():
        if isinstance(below, Path):
            yield _bind(below, here / name)
        else:
            yield from _compose(host / name, here / name, below)


def _bind(source: Path, target: Path) -> str:
    """One place; nothing, where what was there a moment ago is gone."""
    if source.is_symlink():
        return _line("ln", "-s", os.readlink(source), target)
    make, bind = ("mkdir", "--rbind") if source.is_dir() else ("touch", "--bind")
    mounted = f"{_line(make, target)} && {_line('mount', bind, source, target)}"
    return f"[ ! -e {shlex.quote(str(source))} ] || {{ {mounted}; }}"


def _line(tool: str, *words: str | Path) -> str:
    """A line of the script. Tools go by their paths, for PATH is the container's."""
    return shlex.join([_tool(tool), *map(str, words)])


@cache
def _tool(name: str) -> str:
    found = shutil.which(name, path=TOOLS)
    assert found, f"the tests' Modal needs {name}, of util-linux or coreutils"
    return found
