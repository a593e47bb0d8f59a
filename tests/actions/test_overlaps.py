"""Commands that overlap: whatever runs is listed, and whatever is listed runs."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.actions.running import START, STOP, Request, listed, record, records, servers, started
from tests.conftest import REF, Cli

MIX = (START, STOP, ("local", "status"), ("local", "run", "--ref", REF), ("local", "stop", "--all"))


@pytest.fixture(autouse=True)
def _nothing_is_left(cli: Cli, environment: dict[str, str]) -> Iterator[None]:
    yield
    cli("local", "stop", "--all")
    assert servers(environment) == set()


def agreed(cli: Cli, environment: dict[str, str]) -> list[dict[str, object]]:
    """Return the instances that `status` lists, and check that they run."""
    rows = [row for row in listed(cli) if row["state"] != "dead"]
    assert {row["pid"] for row in rows} == servers(environment)
    assert all((row["state"], row["healthy"]) == ("running", True) for row in rows)
    return rows


def overlap(theoryctl: Cli, cli: Cli, environment: dict[str, str], seconds: float) -> None:
    started(cli)
    with ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(theoryctl, *STOP)
        time.sleep(seconds)
        again = theoryctl(*START, "--json")
        assert stopping.result().status in (0, 5)  # 5: nothing was left to stop
    assert again.status == 0, again.err
    agreed(cli, environment)
    assert cli("local", "stop", "--all").status == 0
    assert servers(environment) == set()


def test_a_start_that_overlaps_a_stop_leaves_nothing_that_nobody_sees(
    theoryctl: Cli, cli: Cli, environment: dict[str, str]
) -> None:
    overlap(theoryctl, cli, environment, 0.3)


def mixed(theoryctl: Cli, cli: Cli, environment: dict[str, str], seed: int) -> None:
    commands = [random.Random(seed).choice(MIX) for _ in range(8)] + [START, STOP]
    with ThreadPoolExecutor(10) as pool:
        done = list(pool.map(lambda command: theoryctl(*command), commands))
    for command, ran in zip(commands, done, strict=True):
        assert ran.status in (0, 5), (command, ran.err)
        assert "Traceback" not in ran.err
    agreed(cli, environment)


def test_ten_commands_at_once_leave_nothing_that_nobody_sees(
    theoryctl: Cli, cli: Cli, environment: dict[str, str]
) -> None:
    mixed(theoryctl, cli, environment, 1)


LIVES = (
    "theoryctl/instances/*",
    "theoryctl/runtimes/*",
    "theoryctl/actions/stop.py",
    "theoryctl/actions/place.py",
    "theoryctl/actions/start.py",
)


@pytest.mark.slow(*LIVES)
def test_twenty_overlaps_leave_nothing_that_nobody_sees(theoryctl: Cli, cli: Cli, environment: dict[str, str]) -> None:
    for turn in range(20):
        overlap(theoryctl, cli, environment, turn / 20)


@pytest.mark.slow(*LIVES)
@pytest.mark.parametrize("seed", range(6))
def test_six_mixes_leave_nothing_that_nobody_sees(
    theoryctl: Cli, cli: Cli, environment: dict[str, str], seed: int
) -> None:
    mixed(theoryctl, cli, environment, seed)


def test_a_start_waits_for_the_end_of_a_drain(theoryctl: Cli, cli: Cli, environment: dict[str, str]) -> None:
    old = started(cli)
    request = Request(old, json.loads(record(environment).read_text())["token"])
    os.kill(old["pid"], signal.SIGTERM)
    time.sleep(0.2)
    (row,) = listed(cli)
    assert (row["state"], row["healthy"]) == ("draining", False)
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(started, theoryctl)
        time.sleep(1.0)
        assert not starting.done()
        assert request.finish() == b"HTTP/1.1 200 OK"
        assert starting.result()["pid"] != old["pid"]
    assert len(agreed(cli, environment)) == 1


@pytest.mark.parametrize("loss", ["removed", "damaged"])
def test_a_server_whose_record_is_lost_is_listed_and_stopped(cli: Cli, environment: dict[str, str], loss: str) -> None:
    instance = started(cli)
    if loss == "removed":
        record(environment).unlink()
    else:
        record(environment).write_text("{")
    (row,) = listed(cli)
    assert (row["pid"], row["state"], row["healthy"]) == (instance["pid"], "running", False)
    assert cli(*STOP).status == 0
    assert servers(environment) == set()
    assert list(records(environment).glob("*.json")) == []


def test_a_start_replaces_a_server_whose_record_is_lost(cli: Cli, environment: dict[str, str]) -> None:
    lost = started(cli)
    record(environment).write_text("{")
    assert started(cli)["pid"] != lost["pid"]
    assert len(agreed(cli, environment)) == 1


def test_an_idle_instance_stops_at_once_where_nobody_reaps_it(theoryctl: Cli, cli: Cli) -> None:
    # The server is a child of this process, which does not wait for it: as under a process 1 that reaps nobody.
    seconds: list[float] = []
    while len(seconds) < 5 and min(seconds, default=1.0) > 0.5:
        started(cli)
        begin = time.monotonic()
        assert theoryctl(*STOP).status == 0
        seconds.append(time.monotonic() - begin)
    assert min(seconds) < 3.0, seconds  # 0.5 on a machine that does nothing else, 24 where a zombie is waited for
