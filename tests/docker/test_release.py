"""The workflow of a release, as far as its upload: the images go to a registry, their digests into the wheel."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, THEORYCTL
from tests.docker.registry import Registry
from tests.packaging.clone import fresh_clone
from tests.packaging.dated import dated
from tests.packaging.runner import Runner, document
from theoryctl_providers.contract import VERSION

CREDENTIALS = ("me", "canary-of-a-password")
PINNED = re.compile(r"^ +(linux/\w+): (sha256:[0-9a-f]{64})$", re.MULTILINE)


@pytest.fixture
def registry(docker: dict[str, str], tmp_path: Path) -> Iterator[Registry]:
    with Registry(tmp_path / "registry", CREDENTIALS) as found:
        yield found


@pytest.fixture
def commit(registry: Registry, tmp_path: Path) -> Iterator[Path]:
    """A clone whose manifests name the tests' registry, with a date in its changelog, and this environment for make."""
    with fresh_clone(tmp_path) as clone:
        for file in (clone / "manifests").rglob("*.yaml"):
            file.write_text(file.read_text().replace("ghcr.io/theoryctl", f"{registry.address}/me"))
        changelog = clone / "CHANGELOG.md"
        changelog.write_text(dated(changelog.read_text(), VERSION, date.today()))
        # Older than what was installed here, so that make installs nothing.
        for file in (clone / "pyproject.toml", *clone.glob("*.lock")):
            os.utime(file, (0, 0))
        (clone / ".venv").symlink_to(THEORYCTL.parents[1])
        yield clone


def steps(job: str) -> list[dict[str, Any]]:
    """The steps of a job, without the installation that is here already."""
    return [step for step in document(ROOT / ".github/workflows/release.yml")["jobs"][job]["steps"]
            if step.get("name") != "Install"]  # fmt: skip


@pytest.mark.slow(".github/workflows/release.yml", "tests/docker/test_release.py", "tests/packaging/release.py")
def test_a_release_is_rehearsed_up_to_its_upload(
    commit: Path, registry: Registry, environment: dict[str, str], tmp_path: Path
) -> None:
    login = tmp_path / "login"
    login.mkdir()
    told = {"PATH": f"{THEORYCTL.parent}:{environment['PATH']}", "DOCKER_CONFIG": str(login)}

    def runner(**variables: str) -> Runner:
        actor, token = CREDENTIALS
        github = {"actor": actor, "token": token, "ref_name": f"v{VERSION}"}
        contexts = {"github": github, "strategy": {"job-index": 0}, "steps": {}}
        return Runner({**environment, **told, **variables}, commit, contexts)

    image = runner(REF="llm/litellm@1")
    image.run(steps("image"))
    assert not image.failed, image.printed
    pushed = image.contexts["steps"]["push"]["outputs"]
    attested = next(inputs for action, inputs in image.used.items() if action.startswith("actions/attest"))
    assert (attested["subject-name"], attested["subject-digest"]) == (pushed["repository"], pushed["digest"])
    pin, report = ((commit / "images" / name).read_text() for name in ("pin", "report.md"))
    assert pin == f"llm/litellm@1 {pushed['repository']}@{pushed['digest']}\n"
    assert "All runtimes gave the same outputs." in report

    other = registry.relabel("me/llm-litellm", pushed["digest"], "arm64", "arm64")
    for name, each in (("image-0", pin), ("image-1", pin.replace(pushed["digest"], other))):
        (commit / "images" / name).mkdir()
        (commit / f"images/{name}/pin").write_text(each)
        (commit / f"images/{name}/report.md").write_text(report)
    files = runner()
    files.run(steps("files"))
    assert not files.failed, files.printed
    (wheel,) = (commit / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        bundled = archive.read("theoryctl/_bundled/manifests/llm/litellm@1.yaml").decode()
    assert dict(PINNED.findall(bundled)) == {"linux/amd64": pushed["digest"], "linux/arm64": other}
    assert (commit / "report.md").read_text().count("# llm/litellm@1 in embedded, process, docker") == 2
    assert CREDENTIALS[1] not in image.printed + files.printed
    assert json.loads((login / "config.json").read_text())["auths"].keys() == {registry.address}
