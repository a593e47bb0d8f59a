"""Fixtures of the tests with Docker: the command line with a real dockerd, and nothing left behind after each test."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REF, ROOT, Cli, Ran


@dataclass(frozen=True)
class Daemon:
    """The tests' dockerd, through its own client: what theoryctl says of it is held against this."""

    variables: dict[str, str]

    def __call__(self, *arguments: str, stdin: bytes = b"", check: bool = True) -> str:
        """Run `docker …`, and return its output."""
        done = subprocess.run(["docker", *arguments], input=stdin, capture_output=True, env=None, check=False)
        assert not check or done.returncode == 0, done.stderr.decode()
        return done.stdout.decode() + done.stderr.decode() * (not check)

    def inspect(self, name: str) -> dict[str, Any]:
        (found,) = json.loads(self("inspect", name))
        assert isinstance(found, dict)
        return found

    def image(self, dockerfile: str) -> str:
        """The ID of an image made from a Dockerfile that needs no files."""
        return self("build", "--quiet", "--network", "none", "-", stdin=dockerfile.encode()).strip()


@pytest.fixture(scope="session")
def daemon(docker: dict[str, str]) -> Daemon:
    return Daemon(docker)


@pytest.fixture(autouse=True)
def in_docker(docker: dict[str, str], environment: dict[str, str], cli: Cli, daemon: Daemon) -> Iterator[None]:
    """The dockerd in the environment of every command; afterwards everything is stopped, and must be gone."""
    environment.update(docker)
    yield
    stopped = cli("local", "stop", "--all")
    assert stopped.status == 0, stopped.err
    assert left_behind(daemon, environment) == []


def left_behind(daemon: Daemon, where: dict[str, str] | Path) -> list[str]:
    """Containers and networks of a state folder: this one, or the one of this environment."""
    folder = where if isinstance(where, Path) else Path(where["HOME"]) / ".local/state/theoryctl"
    if not (folder / "id").exists():
        return []
    state = (folder / "id").read_text().strip()
    containers = daemon("ps", "--all", "--quiet", "--filter", f"label=dev.theoryctl.state={state}").split()
    networks = daemon("network", "ls", "--quiet", "--filter", f"name=theoryctl-{state}").split()
    return containers + networks


def error(ran: Ran) -> tuple[int, str]:
    """Exit status and code of a command that failed with --json."""
    return ran.status, ran.document["error"]["code"]


@pytest.fixture
def image(cli: Cli) -> str:
    """The ID of an image that serves, built if need be."""
    built = cli("image", "build", "--ref", "llm/mock@1", "--json")
    assert built.status == 0, built.err
    return str(built.document["image_id"])


@pytest.fixture
def local_image(cli: Cli, tmp_path: Path) -> Callable[[str], None]:
    """Give the project a manifest of the ref with a build context of its own: the base image and these lines."""

    def make(lines: str) -> None:
        work = tmp_path / "work"
        (work / "manifests/llm").mkdir(parents=True, exist_ok=True)
        text = (ROOT / "manifests" / f"{REF}.yaml").read_text()
        (work / "manifests" / f"{REF}.yaml").write_text(text.replace("context: providers", "context: image"))
        (work / "image").mkdir(exist_ok=True)
        (work / "image/Dockerfile").write_text(f"ARG BASE_IMAGE\nFROM ${{BASE_IMAGE}}\n{lines}\n")

    return make
