"""Images that are built here: when, for which platform, and from which base."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import REF, ROOT, Cli
from tests.docker.conftest import Daemon, error
from tests.docker.registry import Registry
from tests.docker.relay import between

START = ("local", "start", "--ref", REF)


def test_what_is_built_once_serves_every_ref_with_the_same_context(cli: Cli) -> None:
    assert cli(*START).status == 0
    other = cli("local", "start", "--ref", "llm/mock@1", "--json")
    assert other.status == 0
    assert "building" not in other.err and "up to date" in other.err
    assert other.document["pin"] is None


def test_a_context_that_changes_is_drift_for_what_runs_and_is_built_anew_by_the_next_start(
    cli: Cli, daemon: Daemon, local_image: Callable[[str], None]
) -> None:
    marker = time.time_ns()
    server = 'LABEL number={}\nENTRYPOINT ["python3", "-m", "theoryctl_providers", "--host", "0.0.0.0"]'
    base = ("--base-image", "ghcr.io/theoryctl/llm-mock:local")
    assert cli("local", "start", "--ref", "llm/mock@1").status == 0
    local_image(server.format(marker))
    first = cli(*START, *base, "--json")
    assert "building" in first.err
    local_image(server.format(marker + 1))
    assert error(cli(*START, *base, "--json")) == (6, "ERR_DIGEST_DRIFT")
    assert cli("local", "stop", "--ref", REF).status == 0
    second = cli(*START, *base, "--json")
    assert second.document["digest"] != first.document["digest"]
    assert daemon.inspect(second.document["container"])["Config"]["Labels"]["number"] == str(marker + 1)
    local_image(server.format(marker))
    assert cli("local", "stop", "--ref", REF).status == 0
    back = cli(*START, *base, "--json")
    assert (back.document["digest"], "building" in back.err) == (first.document["digest"], False)


def test_a_forced_build_replaces_what_runs(cli: Cli) -> None:
    first = cli(*START, "--json").document
    second = cli(*START, "--build", "--json")
    assert "building" in second.err
    assert (second.document["already_running"], second.document["container"] == first["container"]) == (False, False)


def test_a_build_that_fails_leaves_what_runs(cli: Cli, local_image: Callable[[str], None]) -> None:
    first = cli(*START, "--json").document
    local_image("RUN exit 3")
    assert error(cli(*START, "--build", "--json")) == (1, "ERR_BUILD")
    (row,) = cli("local", "status", "--json").document["instances"]
    assert (row["container"], row["state"], row["healthy"]) == (first["container"], "running", True)


def test_an_image_that_somebody_built_on_ours_is_not_taken_for_it(cli: Cli, daemon: Daemon) -> None:
    ours = cli("local", "start", "--ref", "llm/mock@1", "--json").document["digest"]
    for number in range(4):
        daemon.image(f'FROM ghcr.io/theoryctl/llm-mock:local\nLABEL number={number}\nENTRYPOINT ["false"]')
    assert cli(*START, "--json").document["digest"] == ours


def test_a_build_is_called_what_it_was_told_and_done_again_without_the_cache(
    cli: Cli, daemon: Daemon, local_image: Callable[[str], None]
) -> None:
    local_image(f"LABEL number={time.time_ns()}\nRUN cat /proc/sys/kernel/random/uuid > /tmp/once")
    build = ("image", "build", "--ref", REF, "--json")
    first = cli(*build, "--tag", "test/mine:1").document
    assert (first["tag"], first["built"]) == ("docker.io/test/mine:1", True)
    assert daemon.inspect("test/mine:1")["Id"] == first["image_id"]
    again = cli(*build, "--tag", "test/mine:2").document
    assert (again["image_id"], again["built"]) == (first["image_id"], False)
    assert daemon.inspect("test/mine:2")["Id"] == first["image_id"]
    anew = cli(*build, "--no-cache").document
    assert anew["built"] and anew["image_id"] != first["image_id"]
    assert anew["size"] == daemon.inspect(anew["image_id"])["Size"]
    assert error(cli(*build, "--tag", f"test/mine@{first['image_id']}")) == (2, "ERR_USAGE")


def test_the_image_of_a_build_is_told_though_another_build_takes_its_name_at_once(
    cli: Cli, daemon: Daemon, docker: dict[str, str], local_image: Callable[[str], None]
) -> None:
    local_image(f"LABEL number={(number := time.time_ns())}")
    taken: list[str] = []

    def take(data: bytes, *, said: bool) -> bool:
        if said and b"Successfully tagged" in data:
            taken.append(daemon("tag", docker["THEORYCTL_BASE_IMAGE"], "ghcr.io/theoryctl/llm-litellm:local"))
        return True

    with between(docker["DOCKER_HOST"].removeprefix("unix://"), take) as address:
        built = cli("image", "build", "--ref", REF, "--json", env={"DOCKER_HOST": address}).document
    assert taken
    assert daemon.inspect(built["image_id"])["Config"]["Labels"]["number"] == str(number)


@pytest.fixture(scope="module")
def foreign(
    docker: dict[str, str], pushed_layers: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registry]:
    """A registry whose `base:arm` says that it is for arm64, and runs here all the same."""
    with Registry(tmp_path_factory.mktemp("registry")) as registry:
        registry.has_layers_of(pushed_layers, "base")
        digest = registry.push(docker["THEORYCTL_BASE_IMAGE"], "base")
        registry.relabel("base", digest, "arm64", "arm")
        yield registry


def test_an_image_is_built_for_the_platform_that_is_asked_for(
    cli: Cli, daemon: Daemon, foreign: Registry, local_image: Callable[[str], None]
) -> None:
    local_image("LABEL built=yes")
    build = ("image", "build", "--ref", REF, "--base-image", f"{foreign.address}/base:arm", "--json")
    built = cli(*build, "--platform", "linux/aarch64")
    assert (built.status, built.document["platform"]) == (0, "linux/arm64"), built.err
    assert daemon.inspect(built.document["image_id"])["Architecture"] == "arm64"
    only = ("image", "build", "--ref", REF, "--base-image", f"{foreign.address}/base:test", "--json")
    ran = cli(*only, "--platform", "linux/arm64")
    assert error(ran) == (6, "ERR_PLATFORM"), ran.out
    assert error(cli(*only, "--platform", "arm64")) == (2, "ERR_USAGE")


def test_a_base_without_the_folder_of_packages_that_its_python_names_gets_one(daemon: Daemon) -> None:
    # Debian's packages have none: what installs them makes it.
    step = re.search(r"^RUN (?:.*\\\n)*.*/theoryctl\.pth\"$", (ROOT / "providers/Dockerfile").read_text(), re.M)
    assert step is not None
    bare = 'RUN ["python3", "-c", "import shutil, site; shutil.rmtree(site.getsitepackages()[0])"]'
    image = daemon.image(f"FROM 127.0.0.1/test/python:base\n{bare}\n{step[0]}\n")
    shows = "import site; print(open(site.getsitepackages()[0] + '/theoryctl.pth').read())"
    assert "/opt/theoryctl/code\n" in daemon("run", "--rm", "--network", "none", image, "python3", "-c", shows)


def test_a_base_for_machines_that_this_one_cannot_run_says_what_to_set_up(cli: Cli, daemon: Daemon) -> None:
    daemon(
        "build", "--quiet", "--tag", "test/alien:1", "-",
        stdin=b"ARG BASE\nFROM 127.0.0.1/test/python:base\nRUN echo alien > /usr/local/bin/python3.11\n",
    )  # fmt: skip
    ran = cli("image", "build", "--ref", REF, "--base-image", "test/alien:1", "--json")
    assert error(ran) == (1, "ERR_BUILD"), ran.out
    assert "QEMU" in ran.document["error"]["hint"]


def test_a_base_that_cannot_be_had_or_has_no_python_is_named(cli: Cli, daemon: Daemon) -> None:
    ran = cli(*START, "--base-image", "127.0.0.1:9/base:1", "--json")
    assert error(ran) == (5, "ERR_REGISTRY"), ran.out
    assert "127.0.0.1:9/base" in ran.document["error"]["message"]
    daemon("build", "--quiet", "--tag", "test/empty:1", "-", stdin=b"FROM scratch\nLABEL empty=yes\n")
    ran = cli(*START, "--base-image", "test/empty:1", "--json")
    assert error(ran) == (1, "ERR_BUILD"), ran.out
    assert "python3" in ran.document["error"]["message"]


def test_an_image_of_nothing_has_no_layers(cli: Cli, local_image: Callable[[str], None], tmp_path: Path) -> None:
    local_image("")
    (tmp_path / "work/image/Dockerfile").write_text(f"FROM scratch\nLABEL number={time.time_ns()}\n")
    built = cli("image", "build", "--ref", REF, "--json")
    assert (built.status, built.document.get("layers")) == (0, 0), built.out
