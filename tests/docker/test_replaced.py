"""A start in the place of a container that runs: the new one answers before the old one goes."""

from __future__ import annotations

import shlex
import threading
from functools import partial
from typing import Any

import pytest

from tests.actions.running import listed, listening_on, port_of, record
from tests.conftest import REF, Cli
from tests.docker.conftest import Daemon, error
from tests.waiting import until

START = ("local", "start", "--ref", REF)
RUN = ("local", "run", "--ref", REF, "--json")
#: A server that ends as soon as it is started.
BROKEN = 'ENTRYPOINT ["sh", "-c", "exit 7"]'


#: The image that those here are built on, in a moment.
BASE = ("--base-image", "ghcr.io/theoryctl/llm-mock:local")


@pytest.fixture(autouse=True)
def _served(image: str, local_image: Any) -> None:
    local_image("# it serves")


def started(cli: Cli, *flags: str) -> dict[str, Any]:
    ran = cli(*START, *flags, "--json")
    assert ran.status == 0, ran.err
    return ran.document


def name_of(daemon: Daemon, container: str) -> str:
    return str(daemon.inspect(container)["Name"]).lstrip("/")


def test_a_container_that_fails_at_its_start_leaves_the_one_that_serves(
    cli: Cli, daemon: Daemon, local_image: Any
) -> None:
    old = started(cli, *BASE)
    name = name_of(daemon, old["container"])
    local_image(BROKEN)
    failed = cli(*START, *BASE, "--build", "--json")
    assert error(failed) == (5, "ERR_START")
    assert "ended" not in failed.document["error"]["message"]
    (row,) = listed(cli)
    assert (row["container"], row["url"], row["healthy"]) == (old["container"], old["url"], True)
    assert cli(*RUN).document["runtime"] == "docker"
    assert name_of(daemon, old["container"]) == name


def test_a_new_container_answers_before_the_old_one_goes_and_has_its_name(
    cli: Cli, daemon: Daemon, environment: dict[str, str], local_image: Any
) -> None:
    old = started(cli, *BASE)
    name, file = name_of(daemon, old["container"]), record(environment)
    local_image("# another one that serves")
    gaps, over = list[bool](), threading.Event()

    def look() -> None:
        while not over.wait(0.005):
            gaps.append(not file.exists())

    looking = threading.Thread(target=look)
    looking.start()
    try:
        new = started(cli, *BASE, "--build")
    finally:
        over.set()
        looking.join()
    assert gaps and not any(gaps)
    assert [row["container"] for row in listed(cli)] == [new["container"]] != [old["container"]]
    assert name_of(daemon, new["container"]) == name


def test_a_container_goes_before_one_that_wants_its_port_and_the_failure_says_how_to_have_it_back(
    cli: Cli, local_image: Any
) -> None:
    port = port_of(started(cli, *BASE))
    assert cli("local", "stop", "--all").status == 0
    fixed = (*BASE, "--port", str(port))
    old = started(cli, *fixed)
    local_image(BROKEN)
    failed = cli(*START, *fixed, "--build", "--json")
    assert error(failed) == (5, "ERR_START")
    assert f"the instance that ran there had port {port}, and was ended before" in failed.document["error"]["message"]
    assert listed(cli) == []
    local_image("# it serves again")
    back = shlex.split(failed.document["error"]["hint"])
    assert cli(*back[1:]).status == 0
    (row,) = listed(cli)
    assert (row["url"], row["healthy"]) == (old["url"], True)


def test_a_container_that_stopped_stays_where_its_port_is_anothers_by_now(
    cli: Cli, daemon: Daemon, environment: dict[str, str]
) -> None:
    old = started(cli, *BASE)
    daemon("stop", old["container"])
    with until(partial(listening_on, port_of(old))):
        ran = cli(*START, *BASE, "--port", str(port_of(old)), "--json")
        assert error(ran) == (5, "ERR_START")
        assert record(environment).exists()
        assert not daemon.inspect(old["container"])["State"]["Running"]
