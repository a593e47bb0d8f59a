"""A daemon that is reached through a real sshd, as `docker` reaches it: images are made and pushed there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REF, ROOT, Cli
from tests.docker.conftest import Daemon, error, left_behind
from tests.docker.registry import Registry
from tests.docker.sshd import sshd
from theoryctl.docker.ssh import command_of


@pytest.fixture
def far(docker: dict[str, str], environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """The address of the tests' daemon on a machine that is called by the name of ssh."""
    folder = tmp_path / "ssh"
    folder.mkdir()
    with sshd(folder, DOCKER_HOST=docker["DOCKER_HOST"]) as machine:
        environment["PATH"] = f"{folder}/bin:{environment['PATH']}"
        yield f"ssh://{machine}"


@pytest.mark.slow("theoryctl/docker/*", "theoryctl/images/*", "theoryctl/actions/images.py", "tests/docker/*ssh*")
def test_images_are_built_pushed_published_and_verified_on_another_machine(
    cli: Cli, daemon: Daemon, docker: dict[str, str], far: str, tmp_path: Path
) -> None:
    there = {"DOCKER_HOST": far}
    with Registry(tmp_path / "registry") as registry:
        manifest(registry, tmp_path)
        built = cli("image", "build", "--ref", REF, "--json", env=there)
        assert built.status == 0, built.err
        assert daemon.inspect(built.document["image_id"])["Config"]["Labels"]["dev.theoryctl.context"]
        pushed = cli("image", "push", "--ref", REF, "--json", env=there)
        assert pushed.status == 0, pushed.err
        assert registry.get(f"/v2/me/llm-litellm/manifests/{pushed.document['digest']}") == 200
        # A path names another socket there than that machine's own settings do.
        socket = {"DOCKER_HOST": f"{far}{docker['DOCKER_HOST'].removeprefix('unix://')}"}
        assert cli("image", "publish", "--ref", REF, "--json", env=socket).document["changed"]
        verified = cli("image", "verify", "--ref", REF, "--json", env=there)
        assert (verified.status, verified.document["pinned"], verified.document["drift"]) == (0, True, False), (
            verified.err
        )


def manifest(registry: Registry, folder: Path) -> None:
    """Give the project a manifest of its own, with a repository in the registry."""
    file = folder / f"work/manifests/{REF}.yaml"
    file.parent.mkdir(parents=True)
    text = (ROOT / "manifests" / f"{REF}.yaml").read_text()
    file.write_text(text.replace("ghcr.io/theoryctl", f"{registry.address}/me"))


@pytest.mark.slow("theoryctl/docker/*", "theoryctl/actions/doctor/docker.py", "tests/docker/*ssh*")
def test_another_machine_is_told_and_starts_nothing(
    cli: Cli, environment: dict[str, str], daemon: Daemon, far: str, tmp_path: Path
) -> None:
    context = {"DOCKER_HOST": "", "DOCKER_CONFIG": str(tmp_path / "docker"), "DOCKER_CONTEXT": "far"}
    create = ["docker", "context", "create", "far", "--docker", f"host={far}"]
    subprocess.run(create, env={**os.environ, **context, "DOCKER_CONTEXT": ""}, check=True, capture_output=True)
    for env, source, way_back in (
        ({"DOCKER_HOST": far}, "DOCKER_HOST", "unset DOCKER_HOST"),
        (context, "context far", "unset DOCKER_CONTEXT"),
    ):
        found = [each for each in cli("doctor", "--json", env=env).document["findings"] if each["part"] == "docker"]
        (advice,) = [each for each in found if "another machine" in each["what"]]
        assert (advice["severity"], advice["command"]) == ("advice", way_back)
        ran = cli("local", "start", "--ref", REF, "--runtime", "docker", "--json", env=env)
        assert error(ran) == (5, "ERR_DOCKER")
        assert f"{far} ({source}) is on another machine" in ran.document["error"]["message"]
    assert left_behind(daemon, environment) == []


@pytest.mark.slow("theoryctl/docker/*", "tests/docker/*ssh*")
def test_a_machine_that_is_not_known_or_lets_nobody_in_is_told_in_the_words_of_ssh(
    cli: Cli, far: str, tmp_path: Path
) -> None:
    build = ("image", "build", "--ref", REF, "--json")
    (tmp_path / "ssh/user.pub").write_text("")
    refused = cli(*build, env={"DOCKER_HOST": far})
    assert error(refused) == (5, "ERR_DOCKER")
    assert "Permission denied (publickey" in refused.document["error"]["message"]
    (tmp_path / "ssh/known").write_text("")
    unknown = cli(*build, env={"DOCKER_HOST": far})
    assert error(unknown) == (5, "ERR_DOCKER")
    assert "Host key verification failed." in unknown.document["error"]["message"]


@pytest.mark.parametrize("address", ["ssh://far", "ssh://me@Far:2222", "ssh://me@far/run/a.sock", "ssh://[::1]:22"])
def test_ssh_is_called_as_docker_calls_it(tmp_path: Path, address: str) -> None:
    program = tmp_path / "ssh"
    program.write_text(f"#!{sys.executable}\nimport json, sys\njson.dump(sys.argv, open('{tmp_path}/said', 'w'))\n")
    program.chmod(0o755)
    subprocess.run(
        ["docker", "--host", address, "version"], env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, check=False
    )
    asked = json.loads((tmp_path / "said").read_text())[1:]
    options, _, there = " ".join(command_of(address)[1:]).partition(" -- ")
    assert " ".join(asked).replace("--host unix", "--host=unix") == f"{options} -- {there}"
