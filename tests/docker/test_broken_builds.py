"""Builds that end early: with an error, by Ctrl-C or kill, or because the daemon goes away."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import REF, THEORYCTL, Cli
from tests.docker.conftest import Daemon, error, left_behind
from tests.docker.relay import breaking_off

START = ("local", "start", "--ref", REF)


def test_a_build_that_fails_is_told_with_its_last_lines(cli: Cli, local_image: Callable[[str], None]) -> None:
    local_image("RUN echo no compiler today; exit 3")
    ran = cli(*START, "--json")
    assert error(ran) == (1, "ERR_BUILD")
    assert "no compiler today" in ran.document["error"]["message"]


@pytest.mark.parametrize("answered", [False, True])
def test_a_daemon_that_breaks_off_a_build_is_told_as_such(
    cli: Cli, docker: dict[str, str], local_image: Callable[[str], None], answered: bool
) -> None:
    local_image(f"RUN sleep 2 && : {time.time_ns()}")
    with breaking_off(docker["DOCKER_HOST"].removeprefix("unix://"), answered=answered) as address:
        ran = cli("image", "build", "--ref", REF, "--json", env={"DOCKER_HOST": address})
    assert error(ran) == (5, "ERR_DOCKER"), ran.out
    assert "closed the connection" in ran.document["error"]["message"]


def test_ctrl_c_during_a_build_leaves_no_container_and_the_next_start_builds(
    cli: Cli, daemon: Daemon, environment: dict[str, str], local_image: Callable[[str], None], tmp_path: Path
) -> None:
    marker = f"interrupted-{time.time_ns()}"
    local_image(f"RUN sleep 2; : {marker}; sleep 60")

    def building() -> bool:
        return marker in daemon("ps", "--all", "--no-trunc", "--format", "{{.Command}}")

    process = subprocess.Popen([THEORYCTL, *START], env=environment, cwd=tmp_path / "work", stderr=subprocess.PIPE)
    with process:
        while not building():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(2)
        assert process.wait(timeout=20) == 130
    deadline = time.monotonic() + 10
    while building() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not building()
    assert left_behind(daemon, environment) == []
    local_image(f"LABEL {marker}=yes")
    assert "building" in cli(*START).err


def test_a_build_that_was_killed_or_failed_leaves_no_image_after_the_next_one(
    cli: Cli, daemon: Daemon, environment: dict[str, str], local_image: Callable[[str], None], tmp_path: Path
) -> None:
    marker = f"killed-{time.time_ns()}"

    def left() -> list[str]:
        return daemon("images", "--all", "--quiet", "--filter", f"label={marker}").split()

    def building() -> bool:
        return f"run-{marker}" in daemon("ps", "--all", "--no-trunc", "--format", "{{.Command}}")

    local_image(f"LABEL {marker}=yes\nENV A=1\nRUN sleep 60; : run-{marker}")
    with subprocess.Popen(
        [THEORYCTL, *START], env=environment, cwd=tmp_path / "work", stderr=subprocess.PIPE
    ) as killed:
        while not building():
            assert killed.poll() is None
            time.sleep(0.05)
        killed.kill()
    assert left() != []
    deadline = time.monotonic() + 10
    while building() and time.monotonic() < deadline:
        time.sleep(0.1)
    local_image("RUN exit 3")
    failed = cli(*START, "--json")
    assert error(failed) == (1, "ERR_BUILD"), failed.out
    assert left() == []
    local_image(f"LABEL {marker}=yes\nRUN exit 3")
    assert error(cli(*START, "--json")) == (1, "ERR_BUILD")
    assert left() == []
