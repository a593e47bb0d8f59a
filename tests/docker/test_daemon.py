"""A daemon that goes away in the middle of things: one of its own, in a network namespace of its own."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import REF, ROOT, THEORYCTL, Cli, Ran
from tests.docker.conftest import Daemon

SCRIPT = ROOT / "tests/docker/dockerd.sh"
IMAGE = "ghcr.io/theoryctl/llm-litellm:local"
#: A vendor inside the container that takes a connection and never says anything.
SILENT = "import socket, time; s = socket.create_server(('0.0.0.0', 9001)); c = s.accept(); time.sleep(600)"


@dataclass
class OtherDaemon:
    """A second dockerd, whose published ports only commands in its network namespace see."""

    folder: Path
    environment: dict[str, str]
    holder: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        # Keeps the namespace while the daemon is away.
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up && exec sleep 600"])
        time.sleep(0.2)

    def inside(self, *command: str | Path, timeout: float = 120) -> Ran:
        done = subprocess.run(
            ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", *command],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    def cli(self, *arguments: str) -> Ran:
        return self.inside(THEORYCTL, *arguments)

    def script(self, verb: str) -> None:
        ran = self.inside(SCRIPT, verb)
        assert ran.status == 0, ran.err

    def vendor_is_asked(self, container: str) -> bool:
        """Tell whether a connection to the silent vendor is established (state 01 in proc(5)'s /proc/net/tcp)."""
        rows = self.inside("docker", "exec", container, "cat", "/proc/net/tcp").out.splitlines()[1:]
        return any(row.split()[1].endswith(":2329") and row.split()[3] == "01" for row in rows)


@pytest.fixture
def other(daemon: Daemon, environment: dict[str, str], cli: Cli) -> Iterator[OtherDaemon]:
    """The other daemon, with the images of the first one."""
    assert cli("local", "start", "--ref", REF).status == 0
    assert cli("local", "stop", "--ref", REF).status == 0
    folder = Path(f"/tmp/theoryctl-other-{os.getpid()}")
    folder.mkdir()
    host = {"DOCKER_HOST": f"unix://{folder}/docker.sock", "THEORYCTL_TEST_DOCKER_DIR": str(folder)}
    found = OtherDaemon(folder, {**environment, **host})
    try:
        found.script("up")
        save = (
            f"docker --host {daemon.variables['DOCKER_HOST']} save {IMAGE} {daemon.variables['THEORYCTL_BASE_IMAGE']}"
        )
        assert found.inside("sh", "-c", f"{save} | docker load").status == 0
        yield found
    finally:
        found.script("down")
        found.holder.kill()
        found.holder.wait()
        subprocess.run(["rm", "-rf", folder], check=True)


@pytest.mark.slow(
    "theoryctl/docker/*",
    "theoryctl/runtimes/*",
    "theoryctl/instances/*",
    "theoryctl/actions/stop.py",
    "tests/docker/dockerd.sh",
    "tests/docker/test_daemon.py",
)
def test_a_daemon_that_stops_in_the_middle_of_a_run_is_told_and_nothing_is_left(other: OtherDaemon) -> None:
    other.environment |= {"OPENAI_API_KEY": "sk-canary-0123456789", "OPENAI_BASE_URL": "http://0.0.0.0:9001/v1"}
    started = other.cli("local", "start", "--ref", REF, "--mode", "real", "--json")
    assert started.status == 0, started.err
    container = started.document["container"]
    assert other.inside("docker", "exec", "--detach", container, "python3", "-c", SILENT).status == 0
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(other.cli, "local", "run", "--ref", REF, "--prompt", "Hi", "--json")
        _until(lambda: other.vendor_is_asked(container))
        other.script("down")
        ran = call.result(timeout=60)
    assert (ran.status, ran.document["error"]["code"]) == (5, "ERR_NOT_RUNNING")
    (row,) = other.cli("local", "status", "--json").document["instances"]
    assert (row["state"], row["healthy"]) == ("unknown", False)
    stopped = other.cli("local", "stop", "--all", "--json")
    assert (stopped.status, stopped.document["error"]["code"]) == (5, "ERR_DOCKER")
    other.script("up")
    (row,) = other.cli("local", "status", "--json").document["instances"]
    assert row["state"] == "dead"
    assert other.inside("docker", "ps", "--all", "--quiet").out == ""


def _until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
