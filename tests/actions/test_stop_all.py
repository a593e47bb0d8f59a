"""Several instances that are stopped by one command: at the same time, each told, and none held up by another."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from tests.actions.running import Request, listed, records, started
from tests.conftest import REF, THEORYCTL, Cli
from tests.waiting import until
from theoryctl.actions.at_once import at_once

NAMES = ("a", "b", "c")
STOP_ALL = ("local", "stop", "--all")


@pytest.fixture(autouse=True)
def _nothing_is_left(cli: Cli) -> Iterator[None]:
    yield
    cli(*STOP_ALL)


@pytest.fixture
def asked(cli: Cli, environment: dict[str, str]) -> dict[str, Request]:
    """Start three instances, and ask each of them something that holds up its end."""
    return {name: _ask(started(cli, "--name", name), environment) for name in NAMES}


def _ask(instance: dict[str, Any], environment: dict[str, str]) -> Request:
    record = records(environment) / f"litellm@1.process.{instance['name']}.json"
    return Request(instance, json.loads(record.read_text())["token"])


def drain(cli: Cli, asked: dict[str, Request]) -> bool:
    return [row["state"] for row in listed(cli)] == ["draining"] * len(asked)


def is_gone(cli: Cli, name: str) -> bool:
    return name not in {row["name"] for row in listed(cli)}


def test_all_instances_end_at_the_same_time_and_are_told_in_their_order(
    cli: Cli, theoryctl: Cli, asked: dict[str, Request]
) -> None:
    with ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(theoryctl, *STOP_ALL)
        until(partial(drain, cli, asked))
        for name in reversed(NAMES):
            assert asked[name].finish() == b"HTTP/1.1 200 OK"
            until(partial(is_gone, cli, name))
        ran = stopping.result()
    assert (ran.status, ran.out) == (0, "".join(f"stopped {REF} (process:{name})\n" for name in NAMES))


def test_what_cannot_be_stopped_hides_nothing_of_what_was(cli: Cli, environment: dict[str, str]) -> None:
    for name in ("a", "z"):
        started(cli, "--name", name)
    odd = [records(environment) / name for name in ("x.json", "y.json")]
    for file in odd:
        file.mkdir()
    ran = cli(*STOP_ALL)
    told = [f"stopped {REF} (process:{name})" for name in ("a", "z")]
    assert ran.out.splitlines() == [*told, *(f"could not remove the bad record {file}" for file in odd)]
    assert ran.status == 1
    assert [str(file) in ran.err for file in odd] == [True, True]
    for name in ("a", "z"):
        started(cli, "--name", name)
    document = cli(*STOP_ALL, "--json").document
    assert [each["name"] for each in document["instances"]] == ["a", "z"]
    assert (document["status"], document["error"]) == ("error", document["failures"][0]["error"])
    assert [each["error"]["code"] for each in document["failures"]] == ["ERR_OUTPUT"] * 2
    for file in odd:
        file.rmdir()


def test_ctrl_c_does_not_wait_for_instances_that_end(
    asked: dict[str, Request], cli: Cli, environment: dict[str, str]
) -> None:
    with subprocess.Popen([THEORYCTL, *STOP_ALL], env=environment, stderr=subprocess.DEVNULL) as process:
        until(partial(drain, cli, asked))
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        assert process.wait(timeout=20) == 130
        assert time.monotonic() - begun < 5
    for request in asked.values():
        assert request.finish() == b"HTTP/1.1 200 OK"


def test_no_more_than_the_bound_are_worked_on_at_a_time_and_the_order_stays() -> None:
    inside, most, lock = set[int](), list[int](), threading.Lock()

    def work(number: int) -> int:
        with lock:
            inside.add(number)
            most.append(len(inside))
        time.sleep(0.01 * (3 - number % 3))
        with lock:
            inside.discard(number)
        return number * number

    assert at_once(work, range(12), 4) == [number * number for number in range(12)]
    assert max(most) == 4


def test_the_failure_of_the_first_of_them_is_raised_after_which_no_other_begins() -> None:
    begun = list[int]()

    def work(number: int) -> None:
        begun.append(number)
        time.sleep(0.05)
        raise ValueError(number)

    with pytest.raises(ValueError, match="0"):
        at_once(work, range(6), 2)
    time.sleep(0.3)  # in which all six would have been begun
    assert len(begun) <= 4


@pytest.mark.timeout(20)
def test_what_ends_a_thread_is_raised_to_whoever_waits_for_it() -> None:
    with pytest.raises(SystemExit):
        at_once(sys.exit, [1, 2], 2)
