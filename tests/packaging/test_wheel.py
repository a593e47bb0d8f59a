"""The wheel: what is in it, and that it does the main job from any folder."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, THEORYCTL
from tests.packaging.clone import fresh_clone

UV = Path(sys.executable).parent / "uv"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a clone: what is built from a folder with leftovers proves nothing."""
    folder = tmp_path_factory.mktemp("dist")
    with fresh_clone(tmp_path_factory.mktemp("clone")) as clone:
        pip: list[str | Path] = [sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps"]
        command = [*pip, "-w", folder, clone]
        subprocess.run(command, check=True)
    (found,) = folder.glob("*.whl")
    return found


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_it_holds_the_two_packages_and_nothing_else(wheel: Path) -> None:
    assert {name.split("/")[0].split("-")[0] for name in names(wheel)} == {"theoryctl", "theoryctl_providers"}
    assert not [name for name in names(wheel) if "test" in name.split("/")[-1] or name.endswith(".pyc")]


def test_it_brings_the_manifests_the_image_context_and_the_schema(wheel: Path) -> None:
    for name in (
        "theoryctl/_bundled/manifests/llm/litellm@1.yaml",
        "theoryctl/_bundled/manifests/llm/mock@1.yaml",
        "theoryctl/_bundled/context/Dockerfile",
        "theoryctl/_bundled/context/requirements.lock",
    ):
        assert name in names(wheel)
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "theoryctl").rglob("*.py")}
    providers = ROOT / "providers"
    sources |= {str(path.relative_to(providers)) for kind in ("py", "json") for path in providers.rglob(f"*.{kind}")}
    assert {"theoryctl_providers/inputs/chat.schema.json", "theoryctl_providers/mock/recording.schema.json"} <= sources
    assert sources <= set(names(wheel))


def test_it_names_its_dependencies_and_version(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [name for name in names(wheel) if name.endswith("METADATA")]
        text = archive.read(metadata).decode()
    assert f"Version: {wheel.name.split('-')[1]}\n" in text
    for dependency in ("typer", "rich", "pydantic", "pyyaml", "litellm", "jsonschema-rs"):
        assert f"Requires-Dist: {dependency}" in text


@pytest.fixture(scope="module")
def venv(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel and what it needs, in a venv that was empty."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    # uv resolves what pip would, in a tenth of the time.
    subprocess.run([UV, "pip", "install", "--quiet", "--python", folder / "bin/python", wheel], check=True)
    return folder


def test_installed_into_an_empty_venv_it_does_the_main_job_from_any_folder(
    venv: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command: list[str | Path] = [venv / "bin/theoryctl", *["local", "run", "--ref", "llm/litellm@1", "--mode", "mock"]]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=elsewhere)
    assert (done.returncode, done.stdout[:11]) == (0, "Mock answer"), done.stderr
    command = [venv / "bin/theoryctl", "manifest", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=elsewhere)
    assert listed.stdout.count("\tbundled\n") == 2


def test_installed_it_builds_the_image_that_the_checkout_builds(
    venv: Path, tmp_path: Path, environment: dict[str, str], docker: dict[str, str]
) -> None:
    def start(theoryctl: Path, state: str) -> dict[str, Any]:
        variables = {**environment, **docker, "THEORYCTL_STATE_DIR": str(tmp_path / state)}
        command: list[str | Path] = [theoryctl, "local", "start", "--ref", "llm/mock@1", "--json"]
        started = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=tmp_path)
        subprocess.run([theoryctl, "local", "stop", "--all"], capture_output=True, env=variables, check=True)
        assert started.returncode == 0, started.stderr
        document: dict[str, Any] = json.loads(started.stdout)
        return document

    assert start(venv / "bin/theoryctl", "installed")["digest"] == start(THEORYCTL, "checkout")["digest"]
