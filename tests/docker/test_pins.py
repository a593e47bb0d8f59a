"""Build, push, pin, delete, start, run, and a tag that moves: the whole way of an image, against a real registry."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REF, ROOT, THEORYCTL, Cli
from tests.docker.conftest import Daemon, error
from tests.docker.registry import Registry
from tests.pages import run_page

IMAGE = ("image", "pin", "--ref", REF)


@pytest.fixture(scope="module", params=["open", "closed"])
def registry(
    pushed_layers: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Registry]:
    """One that answers everybody, and one that answers only whom `docker login` made known."""
    credentials = ("me", "canary-of-a-password") if request.param == "closed" else None
    with Registry(tmp_path_factory.mktemp("registry"), credentials) as found:
        found.has_layers_of(pushed_layers, "me/llm-litellm", "me/other")
        yield found


@pytest.fixture(autouse=True)
def logged_in(registry: Registry, environment: dict[str, str], in_docker: None, tmp_path: Path) -> Path:
    """The folder of Docker's settings, with the login."""
    folder = tmp_path / "docker"
    folder.mkdir()
    auth = base64.b64encode(":".join(registry.credentials or ("", "")).encode()).decode()
    auths = {registry.address: {"auth": auth}} if registry.credentials else {}
    (folder / "config.json").write_text(json.dumps({"auths": auths}))
    environment["DOCKER_CONFIG"] = str(folder)
    return folder


@pytest.fixture
def manifest(registry: Registry, tmp_path: Path) -> Path:
    """The project's own manifest, with a repository in the registry."""
    file = tmp_path / f"work/manifests/{REF}.yaml"
    file.parent.mkdir(parents=True)
    text = (ROOT / "manifests" / f"{REF}.yaml").read_text()
    file.write_text(text.replace("ghcr.io/theoryctl", f"{registry.address}/me"))
    return file


def pushed(cli: Cli, registry: Registry, name: str = "me/llm-litellm:latest") -> dict[str, Any]:
    ran = cli("image", "push", "--ref", REF, "--to", f"{registry.address}/{name}", "--json")
    assert ran.status == 0, ran.err
    return ran.document


def test_the_whole_way_of_an_image(
    cli: Cli, daemon: Daemon, registry: Registry, manifest: Path, logged_in: Path
) -> None:
    before = manifest.read_text()
    image = pushed(cli, registry)
    assert cli("image", "push", "--ref", REF, "--json").document == image  # to where the manifest says
    assert error(cli(*IMAGE, "--check", "--json")) == (6, "ERR_DIGEST_DRIFT")
    assert manifest.read_text() == before
    pinned = cli(*IMAGE, "--json").document
    assert (pinned["changed"], pinned["digests"]) == (True, {image["platform"]: image["digest"]})
    added = [line for line in manifest.read_text().splitlines() if line not in before.splitlines()]
    assert added == ["  digests:", f"    {image['platform']}: {image['digest']}"]
    assert cli(*IMAGE, "--check").status == 0
    assert cli(*IMAGE, "--json").document["changed"] is False

    for name in daemon("images", "--digests", "--format", "{{.Repository}}:{{.Tag}}@{{.Digest}}").split():
        if name.startswith(registry.address):
            daemon("rmi", "--force", name.replace(":<none>", "").partition("@")[0], check=False)
            daemon("rmi", "--force", name.replace(":latest", "").replace(":<none>", ""), check=False)
    started = cli("local", "start", "--ref", REF, "--json", "--require-pin")
    assert "pulling" in started.err, started.err
    assert started.document["digest"] == image["digest"]
    assert cli("local", "run", "--ref", REF).status == 0
    verified = cli("image", "verify", "--ref", REF, "--json")
    assert (verified.status, verified.document["drift"]) == (0, False)

    gone = {"DOCKER_HOST": "unix:///nonexistent"}
    assert error(cli("image", "verify", "--ref", REF, "--json", env=gone)) == (5, "ERR_DOCKER")

    other = daemon.image(f"FROM {started.document['image']}\nLABEL other=yes")
    registry.push(other, "me/llm-litellm", logged_in, tag="latest")
    verified = cli("image", "verify", "--ref", REF, "--json")
    assert (verified.status, verified.document["drift"]) == (6, True)
    assert len({row["digest"] for row in verified.document["digests"]}) == 2
    daemon("kill", started.document["container"])
    verified = cli("image", "verify", "--ref", REF, "--json")
    assert verified.document["digests"][-1] == {"where": "container", "digest": None}
    assert cli("local", "stop", "--all").status == 0
    again = cli("local", "start", "--ref", REF, "--json")
    assert again.document["digest"] == image["digest"]


def test_publishing_pushes_and_pins_in_one_step(cli: Cli, registry: Registry, manifest: Path) -> None:
    before = manifest.read_text()
    ran = cli("image", "publish", "--ref", REF, "--json")
    assert ran.status == 0, ran.err
    found = ran.document
    assert found["reference"] == f"{registry.address}/me/llm-litellm@{found['digest']}"
    assert f"{found['platform']}: {found['digest']}" in manifest.read_text().replace("{", "").replace("}", "")
    assert before.partition("image:")[0] == manifest.read_text().partition("image:")[0]
    assert cli(*IMAGE, "--check").status == 0
    offline = cli("image", "resolve", REF, "--platform", found["platform"], "--offline")
    assert offline.out == f"{found['reference']}\n"
    assert cli("image", "publish", "--ref", REF, "--json").document["changed"] is False


def test_a_manifest_that_is_not_the_user_s_own_is_not_written_and_can_be_exported(
    cli: Cli, registry: Registry, manifest: Path, tmp_path: Path
) -> None:
    pushed(cli, registry)
    pushed(cli, registry, "me/other:crafted")
    ran = cli(*IMAGE, "--oci", f"{registry.address}/me/other:crafted", "--json")
    assert error(ran) == (2, "ERR_USAGE")
    assert "me/other" in ran.document["error"]["message"]
    bundled = tmp_path / "bundled"
    shutil.move(manifest.parents[1], bundled)
    (bundled / f"{REF}.yaml").chmod(0o444)
    if os.geteuid() != 0:  # who may write everything
        assert error(cli(*IMAGE, "--manifests", str(bundled), "--json")) == (3, "ERR_MANIFEST")
    exported = cli("manifest", "export", REF, "--manifests", str(bundled), "--json").document
    assert Path(exported["file"]) == Path("manifests") / f"{REF}.yaml"
    assert manifest.read_text() == (bundled / f"{REF}.yaml").read_text()
    assert cli(*IMAGE, "--json").document["changed"] is True
    assert error(cli("manifest", "export", REF, "--json")) == (2, "ERR_USAGE")


def test_only_where_an_image_runs_can_be_looked_at(cli: Cli, manifest: Path) -> None:
    ran = cli("image", "verify", "--ref", REF, "--runtime", "process", "--json")
    assert error(ran) == (2, "ERR_USAGE")
    assert "local" in ran.document["error"]["hint"]


def test_a_bundled_manifest_is_never_written(cli: Cli) -> None:
    before = (ROOT / "manifests/llm/mock@1.yaml").read_bytes()
    ran = cli("image", "pin", "--ref", "llm/mock@1", "--json")
    assert error(ran) == (3, "ERR_MANIFEST")
    assert ran.document["error"]["hint"] == "theoryctl manifest export llm/mock@1 --to ./manifests"
    assert (ROOT / "manifests/llm/mock@1.yaml").read_bytes() == before


def test_the_recipe_for_ci_works_as_it_is_written(
    registry: Registry, manifest: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    printed = run_page("docs/ci.md", "sh", {**environment, "REGISTRY": registry.address}, tmp_path / "work")
    first, *_, last = printed.split()
    assert first == last
    assert first in manifest.read_text()


def test_the_recipe_fails_where_nobody_answers_even_without_pipefail(
    environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / f"work/manifests/{REF}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text((ROOT / "manifests" / f"{REF}.yaml").read_text().replace("ghcr.io", "127.0.0.1:9"))
    (line,) = [
        line for line in (ROOT / "docs/ci.md").read_text().splitlines() if line.startswith("theoryctl image verify")
    ]
    variables = {**environment, "PATH": f"{THEORYCTL.parent}:{environment['PATH']}"}
    done = subprocess.run(["sh", "-c", line], env=variables, cwd=tmp_path / "work", capture_output=True)
    assert done.returncode != 0
