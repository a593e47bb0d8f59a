"""Commands on containers that overlap, and containers whose server is too old to prove its token."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.actions.running import change, listed, port_of, stranger
from tests.conftest import REF, THEORYCTL, Cli
from tests.docker.conftest import Daemon, error, left_behind

START = ("local", "start", "--ref", REF)
STOP = ("local", "stop", "--ref", REF)
BUILD = (*START, "--build")
MIX = (START, STOP, BUILD, ("local", "status"), ("local", "run", "--ref", REF), ("local", "stop", "--all"))
LIVES = (
    "theoryctl/instances/*",
    "theoryctl/runtimes/*",
    "theoryctl/docker/*",
    "theoryctl/actions/place.py",
    "theoryctl/actions/stop.py",
)


def agreed(cli: Cli, daemon: Daemon, environment: dict[str, str]) -> None:
    """Check that `status` lists each container that there is, and that all of them run."""
    rows = [row for row in listed(cli) if row["state"] != "dead"]
    assert all((row["state"], row["healthy"]) == ("running", True) for row in rows)
    ids = [row["container"][:12] for row in rows]
    assert sorted(ids) == sorted(found for found in left_behind(daemon, environment) if daemon_knows(daemon, found))


def daemon_knows(daemon: Daemon, found: str) -> bool:
    """Tell a container from a network."""
    return found in daemon("ps", "--all", "--quiet").split()


def at_once(theoryctl: Cli, *commands: tuple[str, ...]) -> None:
    with ThreadPoolExecutor(len(commands)) as pool:
        for command, ran in zip(commands, pool.map(lambda command: theoryctl(*command), commands), strict=True):
            assert ran.status in (0, 5), (command, ran.err)
            assert "ERR_DOCKER" not in ran.err


def overlap(theoryctl: Cli, cli: Cli, daemon: Daemon, environment: dict[str, str], seconds: float) -> None:
    assert cli(*START).status == 0
    with ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(at_once, theoryctl, STOP, STOP)
        time.sleep(seconds)
        ran = theoryctl(*START)
        stopping.result()
    assert ran.status == 0, ran.err
    agreed(cli, daemon, environment)
    at_once(theoryctl, STOP, ("local", "stop", "--all"))
    assert left_behind(daemon, environment) == []


def test_stops_and_a_start_that_overlap_succeed_or_wait(
    theoryctl: Cli, cli: Cli, daemon: Daemon, environment: dict[str, str]
) -> None:
    overlap(theoryctl, cli, daemon, environment, 0.3)


def mixed(theoryctl: Cli, cli: Cli, daemon: Daemon, environment: dict[str, str], seed: int) -> None:
    at_once(theoryctl, *[random.Random(seed).choice(MIX) for _ in range(8)], START, STOP)
    agreed(cli, daemon, environment)


def test_ten_commands_at_once_leave_nothing_that_nobody_sees(
    theoryctl: Cli, cli: Cli, daemon: Daemon, environment: dict[str, str]
) -> None:
    mixed(theoryctl, cli, daemon, environment, 1)


@pytest.mark.slow(*LIVES)
def test_twenty_overlaps_succeed_or_wait(theoryctl: Cli, cli: Cli, daemon: Daemon, environment: dict[str, str]) -> None:
    for turn in range(20):
        overlap(theoryctl, cli, daemon, environment, turn / 10)


@pytest.mark.slow(*LIVES)
@pytest.mark.parametrize("seed", range(6))
def test_six_mixes_leave_nothing_that_nobody_sees(
    theoryctl: Cli, cli: Cli, daemon: Daemon, environment: dict[str, str], seed: int
) -> None:
    mixed(theoryctl, cli, daemon, environment, seed)


def test_a_container_that_somebody_removes_at_the_same_time_counts_as_stopped(
    theoryctl: Cli, cli: Cli, daemon: Daemon
) -> None:
    container = cli(*START, "--json").document["container"]
    with ThreadPoolExecutor(1) as pool:
        removing = pool.submit(daemon, "rm", "--force", container)
        assert theoryctl(*STOP).status == 0
        removing.result()


def test_names_and_ports_hold_in_docker(cli: Cli, daemon: Daemon) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert error(cli(*START, "--port", str(port), "--json")) == (5, "ERR_START")
    one = cli(*START, "--name", "one", "--port", str(port), "--json").document
    two = cli(*START, "--name", "two", "--json").document
    assert port_of(one) == port
    assert one["container"] != two["container"]
    for instance in (one, two):
        assert daemon.inspect(instance["container"])["State"]["Running"]
        url = cli("local", "url", "--ref", REF, "--name", instance["name"])
        assert url.out.strip() == instance["url"]
        assert cli("local", "run", "--ref", REF, "--name", instance["name"], "--json").document["runtime"] == "docker"
    assert cli(*STOP, "--name", "one").out == f"stopped {REF} (docker:one)\n"
    assert [row["name"] for row in listed(cli)] == ["two"]


def free_below_1024() -> int:
    """A port that nobody without a capability may listen on (ip(7), ip_unprivileged_port_start)."""
    for port in random.sample(range(512, 1024), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("expected a free port, got 100 that are taken")


def test_a_port_that_only_the_daemon_may_listen_on_is_left_to_it(cli: Cli, environment: dict[str, str]) -> None:
    port = free_below_1024()
    without = ("setpriv", "--bounding-set", "-net_bind_service", THEORYCTL)
    done = subprocess.run(
        [*without, *START, "--port", str(port), "--json"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert port_of(json.loads(done.stdout)) == port


HEALTH = "/opt/theoryctl/code/theoryctl_providers/wires/run/health.py"
OLDER = f"""\
USER 0:0
RUN ["python3", "-c", "import pathlib; f = pathlib.Path('{HEALTH}'); s = f.read_text(); \
assert s.count('nonces is None') == 1; f.write_text(s.replace('nonces is None', 'True'))"]
RUN python3 -m compileall -q -f --invalidation-mode unchecked-hash /opt/theoryctl/code
USER 65534:65534"""


def test_an_image_too_old_for_a_proof_is_believed_where_the_daemon_says_that_it_is_there(
    cli: Cli, daemon: Daemon, environment: dict[str, str], tmp_path: Path, local_image: Any
) -> None:
    daemon("tag", cli(*START, "--json").document["digest"], "test/older:real")
    assert cli("local", "stop", "--all").status == 0
    local_image(OLDER)
    assert cli(*START, "--base-image", "test/older:real").status == 0
    run = ("local", "run", "--ref", REF, "--prompt", "for nobody else", "--json")
    assert cli(*run).document["runtime"] == "docker"
    assert [row["healthy"] for row in listed(cli)] == [True]
    (record,) = (Path(environment["HOME"]) / ".local/state/theoryctl/instances/llm").glob("*.json")
    body = json.dumps({"ready": True, "ref": REF}).encode()
    with stranger(lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)) as other:
        change(record, url=other.url)
        assert error(cli(*run)) == (5, "ERR_NOT_RUNNING")
    assert b"for nobody else" not in other.heard
