"""A start in the place of an instance that runs: the new one is ready before the old one goes."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.actions.running import (
    RUN,
    START,
    change,
    error,
    listed,
    listening_on,
    port_of,
    record,
    records,
    serve_with,
    servers,
    started,
)
from tests.conftest import REF, THEORYCTL, Cli
from tests.waiting import until

#: A provider that is not ready before a file is there, and fails where that has a text.
WAITING = """
import os, time
from theoryctl_providers import Delta, Finish, LLMProvider


class Waiting(LLMProvider):
    default_model = "waiting/this"

    def prepare(self, mode):
        open(os.environ["GATE"] + ".asked", "w").close()
        while not os.path.exists(os.environ["GATE"]):
            time.sleep(0.02)
        assert not open(os.environ["GATE"]).read(), "not today"

    async def stream(self, request):
        yield Delta(text="x")
        yield Finish()
"""


@pytest.fixture(autouse=True)
def _nothing_is_left(cli: Cli, environment: dict[str, str]) -> Iterator[None]:
    yield
    cli("local", "stop", "--all")
    assert servers(environment) == set()


@pytest.fixture
def gate(environment: dict[str, str], tmp_path: Path) -> Path:
    """Have the ref served by the provider that waits, and return the file that it waits for, which is there."""
    serve_with("waiting:Waiting", WAITING, tmp_path, environment)
    environment["GATE"] = str(tmp_path / "gate")
    (tmp_path / "gate").write_text("")
    return tmp_path / "gate"


@contextmanager
def unproved(environment: dict[str, str]) -> Iterator[None]:
    """Have the instance count as one that does not answer, so that a start takes its place: its record has another
    token. Afterwards it has its own again, if it is recorded still."""
    file = record(environment)
    own = json.loads(file.read_text())
    change(file, token="x" * 64)
    yield
    if file.exists() and json.loads(file.read_text())["pid"] == own["pid"]:
        change(file, token=own["token"])


def is_logged(cli: Cli, run_id: str) -> bool:
    return run_id in cli("local", "logs", "--ref", REF, "--json").out


def logs(environment: dict[str, str]) -> list[str]:
    return sorted(path.name for path in records(environment).glob("*.log"))


def test_a_start_that_fails_leaves_what_ran_with_its_record_and_its_log(
    cli: Cli, environment: dict[str, str], gate: Path
) -> None:
    old = started(cli)
    ran = cli(*RUN, "--json").document["run_id"]
    gate.write_text("closed")
    with unproved(environment):
        failed = cli(*START, "--json")
        assert error(failed) == (1, "ERR_PROVIDER")
    assert "ended" not in failed.document["error"]["message"]
    (row,) = listed(cli)
    assert (row["pid"], row["url"], row["healthy"]) == (old["pid"], old["url"], True)
    assert servers(environment) == {old["pid"]}
    assert is_logged(cli, ran)


def test_the_next_start_has_a_log_of_its_own_and_the_old_one_goes(cli: Cli, environment: dict[str, str]) -> None:
    old = started(cli)
    for names in (["litellm@1.process+.log"], ["litellm@1.process.log"]):
        lost = cli(*RUN, "--json").document["run_id"]
        until(partial(is_logged, cli, lost))
        with unproved(environment):
            new = started(cli)
        assert new["pid"] != old["pid"]
        assert [row["pid"] for row in listed(cli)] == [new["pid"]]
        assert logs(environment) == names
        assert not is_logged(cli, lost)
        old = new
    assert cli("local", "stop", "--all").status == 0
    started(cli)
    assert logs(environment) == ["litellm@1.process.log"]


def test_while_a_start_replaces_an_instance_one_of_them_is_listed(
    cli: Cli, theoryctl: Cli, environment: dict[str, str], gate: Path
) -> None:
    old, asked = started(cli), Path(f"{gate}.asked")
    gate.unlink()
    asked.unlink()
    with unproved(environment), ThreadPoolExecutor(1) as pool:
        starting = pool.submit(started, theoryctl)
        until(asked.exists)
        assert len(servers(environment)) == 2
        assert [row["pid"] for row in listed(cli)] == [old["pid"]]
        assert "has no record" not in cli("doctor").out
        gate.write_text("")
        new = starting.result()["pid"]
    assert [row["pid"] for row in listed(cli)] == [new]


def test_a_start_that_is_killed_beside_an_instance_leaves_nothing_unlisted(
    cli: Cli, environment: dict[str, str], gate: Path, tmp_path: Path
) -> None:
    old, asked = started(cli), Path(f"{gate}.asked")
    gate.unlink()
    asked.unlink()
    with unproved(environment):
        with subprocess.Popen(
            [THEORYCTL, *START], env=environment, cwd=tmp_path / "work", stderr=subprocess.DEVNULL
        ) as process:
            until(asked.exists)
            process.kill()
        assert {row["pid"] for row in listed(cli)} == servers(environment) >= {old["pid"]}
        gate.write_text("")
        new = started(cli)["pid"]
    assert [row["pid"] for row in listed(cli)] == [new]
    assert servers(environment) == {new}


def test_an_instance_goes_before_one_that_wants_its_port_and_the_failure_says_how_to_have_it_back(
    cli: Cli, environment: dict[str, str], gate: Path
) -> None:
    port = port_of(started(cli))
    cli("local", "stop", "--all")
    old = started(cli, "--port", str(port), "--mode", "mock")
    gate.write_text("closed")
    with unproved(environment):
        failed = cli(*START, "--port", str(port), "--json").document["error"]
    assert failed["code"] == "ERR_PROVIDER"
    assert f"the instance that ran there had port {port}, and was ended before" in failed["message"]
    assert servers(environment) == set()
    gate.write_text("")
    back = shlex.split(failed["hint"])
    assert (back[0], cli(*back[1:]).status) == ("theoryctl", 0)
    (row,) = listed(cli)
    assert (row["url"], row["mode"], row["healthy"]) == (old["url"], "mock", True)


def test_an_instance_gives_its_port_to_the_one_that_takes_its_place(cli: Cli, environment: dict[str, str]) -> None:
    old = started(cli)
    with unproved(environment):
        new = started(cli, "--port", str(port_of(old)))
    assert (new["url"], new["pid"] == old["pid"]) == (old["url"], False)
    assert [row["pid"] for row in listed(cli)] == [new["pid"]]


@pytest.mark.parametrize("loss", ["died", "lost its record"])
def test_the_port_of_a_server_that_is_to_go_is_taken_only_where_it_has_it(
    cli: Cli, environment: dict[str, str], loss: str
) -> None:
    old = started(cli)
    port = port_of(old)
    if loss == "lost its record":
        record(environment).unlink()
        assert port_of(started(cli, "--port", str(port))) == port
        return
    os.kill(old["pid"], signal.SIGKILL)
    until(lambda: servers(environment) == set())
    with until(partial(listening_on, port)):
        assert error(cli(*START, "--port", str(port), "--json")) == (5, "ERR_START")
        assert record(environment).exists()
