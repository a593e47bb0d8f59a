"""Containers of the tests' own Modal in Docker: an image as it was built, with modal's client where Modal mounts it.

What is mounted where is what modal's client says (modal/mount.py): its packages in /pkg, what they need in
/__modal/deps, which a sitecustomize.py puts at the end of sys.path. That PYTHONPATH is `/pkg/:/root/` has been seen in
containers of Modal's; what becomes of the image's own is a guess, so a test says it. The versions in /__modal/deps are
those that are installed here, not those that Modal pins.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from tests.modal.service.accounts import BUILDER
from tests.modal.service.rootfs import ENTRYPOINT, Machine

#: Where its client mounts what.
_MOUNT: Any = import_module("modal.mount")


@dataclass(frozen=True)
class DockerImage(Machine):
    """A machine that runs containers from an image of Docker's, as a user, under a root that is read-only.

    `client` is the folder that `write_client` has filled, `variables` are more of the image's ENV, and `docker` leads
    to the daemon. The network is this machine's.
    """

    image: str
    client: Path
    docker: Mapping[str, str]
    variables: Mapping[str, str]
    user: str = "65534:65534"

    def start(self, folder: Path, places: Mapping[str, Path], environment: Mapping[str, str]) -> list[str]:
        """A command that runs the entrypoint, in the container that is called after the folder."""
        (folder / "sock").chmod(0o777)
        mounts = {str(folder): folder, **_packages(), **places}
        mounts |= {
            _MOUNT.REMOTE_PACKAGES_PATH: self.client / "deps",
            _MOUNT.REMOTE_SITECUSTOMIZE_PATH: self.client / "site.py",
        }
        return [
            *("docker", "run", "--rm", "--name", folder.name, "--network", "host", "--read-only", "--tmpfs", "/tmp"),
            *("--user", self.user, "--workdir", "/root", "--entrypoint", "python3"),
            *(word for place, source in mounts.items() for word in ("--volume", f"{source}:{place}:ro")),
            *(word for item in {**environment, **self.variables}.items() for word in ("--env", "=".join(item))),
            *(self.image, "-m", ENTRYPOINT),
        ]

    def environment(self, _: Mapping[str, str]) -> dict[str, str]:
        """The environment of the command, which is not the container's."""
        return {"PATH": os.environ["PATH"], **self.docker}

    async def clear(self, name: str) -> None:
        """Remove a container that the end of its command has left."""
        gone = await asyncio.create_subprocess_exec(
            *("docker", "rm", "--force", name),
            env=self.environment({}),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await gone.wait()


def write_client(folder: Path) -> None:
    """Fill a folder with what modal's client needs in a container."""
    (folder / "site.py").write_text(_MOUNT.SITECUSTOMIZE_CONTENT)
    for source, name in _needed():
        target = folder / "deps" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())


def _packages() -> dict[str, Path]:
    return {f"/pkg/{name}": Path(import_module(name).__path__[0]) for name in [*_MOUNT.MODAL_PACKAGES, "synchronicity"]}


def _needed() -> Iterator[tuple[Path, str]]:
    """The files of the distributions that modal's builder lists, and their places."""
    listed = (Path(import_module("modal").__path__[0]) / "builder" / f"{BUILDER}.txt").read_text()
    for name in {line.partition("==")[0] for line in listed.splitlines() if "==" in line}:
        try:
            files = metadata.distribution(name).files or []
        except metadata.PackageNotFoundError:  # it is for another Python
            continue
        yield from ((Path(str(file.locate())), str(file)) for file in files if not str(file).startswith(".."))
