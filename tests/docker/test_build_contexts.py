"""The project's own context and packages, of which an image is built, and files among them that cannot be read."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import REF, ROOT, THEORYCTL, Cli
from tests.docker.conftest import Daemon, error
from theoryctl.images.context import find_context
from theoryctl.manifests.model import Build

START = ("local", "start", "--ref", REF)
RUN = ("local", "run", "--ref", REF)

PROVIDER = """\
from theoryctl_providers import LLMProvider
from theoryctl_providers.contract import Delta, Finish


class Acme(LLMProvider):
    async def stream(self, request):
        yield Delta(text="Acme was here")
        yield Finish()
"""


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Give the project a manifest whose `image.build` and `provider` are these."""

    def make(build: str, provider: str = "litellm") -> Path:
        text = (ROOT / "manifests" / f"{REF}.yaml").read_text()
        text = text.replace("    context: providers", build).replace("provider: litellm", f"provider: {provider}")
        file = tmp_path / f"work/manifests/{REF}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return tmp_path / "work"

    return make


def wheel_project(folder: Path) -> Path:
    """A Python project with a provider, which an entry point names."""
    folder.mkdir(parents=True)
    (folder / "acme.py").write_text(PROVIDER)
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "acme"\nversion = "1"\n[project.entry-points."theoryctl.providers"]\nacme = "acme:Acme"\n'
        '[tool.hatch.build.targets.wheel]\nonly-include = ["acme.py"]\n'
    )
    return folder


def test_a_change_of_code_rebuilds_only_what_comes_after_it(cli: Cli, daemon: Daemon, tmp_path: Path) -> None:
    context = tmp_path / "work/providers"
    shutil.copytree(ROOT / "providers", context, ignore=shutil.ignore_patterns("__pycache__", "Dockerfile"))
    shutil.copytree(ROOT / "manifests", tmp_path / "work/manifests")
    (context / "Dockerfile").write_text(
        (ROOT / "providers/Dockerfile").read_text() + f"# the project's own {time.time_ns()}\n"
    )

    def layers() -> list[str]:
        built = cli("image", "build", "--ref", REF, "--json")
        assert built.document["built"], built.err
        found: list[str] = daemon.inspect(built.document["image_id"])["RootFS"]["Layers"]
        return found

    before = layers()
    with (context / "theoryctl_providers/mock/provider.py").open("a") as code:
        code.write(f"# {time.time_ns()}\n")
    after = layers()
    assert len(before) == len(after)
    assert before[:-2] == after[:-2]
    assert before[-2:] != after[-2:]


def test_a_scaffolded_provider_runs_from_its_image_and_answers_as_it_does_embedded(cli: Cli, theoryctl: Cli) -> None:
    ref = "acme/echo@1"
    assert cli("manifest", "new", ref).status == 0
    embedded = theoryctl("local", "run", "--ref", ref, "--mode", "mock", "--json").document
    assert cli("image", "build", "--ref", ref).status == 0
    assert cli("local", "start", "--ref", ref).status == 0
    ran = cli("local", "run", "--ref", ref, "--mode", "mock", "--json").document
    assert (ran["runtime"], ran["outputs"]) == ("docker", embedded["outputs"])


@pytest.mark.parametrize("form", ["folder", "wheel"])
def test_another_s_provider_gets_in_as_a_package(
    cli: Cli, project: Callable[..., Path], tmp_path: Path, form: str
) -> None:
    folder = wheel_project(tmp_path / "work/acme")
    name = "acme"
    if form == "wheel":
        pip: list[str | Path] = [THEORYCTL.parent / "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
        subprocess.run([*pip, "-w", folder, folder], check=True)
        name = f"acme/{next(folder.glob('*.whl')).name}"
    project(f"    context: providers\n    packages: [{name}]", provider="acme")
    assert cli(*START).status == 0
    ran = cli(*RUN, "--json")
    assert ran.status == 0, ran.err
    assert ran.document["outputs"][0]["text"] == "Acme was here"


@pytest.mark.parametrize(
    ("build", "said"),
    [
        ("    context: nowhere", "has no Dockerfile"),
        ("    context: providers\n    packages: [gone.whl]", "gone.whl"),
    ],
)
def test_a_context_or_package_that_is_not_there_is_a_fault_of_the_manifest(
    cli: Cli, project: Callable[..., Path], build: str, said: str
) -> None:
    project(build)
    ran = cli(*START, "--json")
    assert error(ran) == (3, "ERR_MANIFEST")
    assert said in ran.document["error"]["message"]


def test_a_lock_that_cannot_be_met_is_told_in_pip_s_words(cli: Cli, project: Callable[..., Path]) -> None:
    work = project("    context: image")
    (work / "image").mkdir()
    (work / "image/Dockerfile").write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY wheelhouse /wheels\n")
    (work / "image/requirements.lock").write_text(f"six==1.17.0 --hash=sha256:{'0' * 64}\n")
    ran = cli(*START, "--json")
    assert error(ran) == (1, "ERR_BUILD")
    assert "DO NOT MATCH THE HASHES" in ran.document["error"]["message"]


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [
        (".dockerignore", b"\xff\n", 3, "ERR_MANIFEST"),
        ("requirements.lock", b"\xff\n", 1, "ERR_BUILD"),
        ("requirements.lock", b"six==1.17.0 ; python_versio < '4' --hash=sha256:00\n", 1, "ERR_BUILD"),
        ("Dockerfile", b"FORM x\n", 1, "ERR_BUILD"),
    ],
)
def test_a_file_of_a_context_that_cannot_be_read_is_named(
    cli: Cli, local_image: Callable[[str], None], tmp_path: Path, name: str, content: bytes, status: int, code: str
) -> None:
    local_image("LABEL odd=yes")
    (tmp_path / "work/image" / name).write_bytes(content)
    ran = cli("image", "build", "--ref", REF, "--json")
    assert error(ran) == (status, code), ran.out
    assert f"work/image/{name}" in ran.document["error"]["message"] + ran.document["error"]["hint"]


def test_every_module_of_a_package_counts_and_what_is_built_of_it_does_not(tmp_path: Path) -> None:
    def digest() -> str:
        return find_context(tmp_path, Build(context="providers", packages=("acme",))).digest

    folder = wheel_project(tmp_path / "acme")
    digests = [digest()]
    for name in ("src/acme/build/x.py", "src/acme/dist/x.py"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("")
        digests.append(digest())
    assert len(set(digests)) == 3
    for name in ("build/lib/acme.py", "dist/acme.whl", "src/acme/__pycache__/x.pyc"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    assert digest() == digests[-1]


@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_what_is_no_file_in_a_package_is_named_and_not_waited_for(
    cli: Cli, project: Callable[..., Path], tmp_path: Path, kind: str
) -> None:
    odd = wheel_project(tmp_path / "work/acme") / "odd"
    os.mkfifo(odd) if kind == "fifo" else odd.symlink_to("nowhere")
    project("    context: providers\n    packages: [acme]")
    ran = cli("image", "build", "--ref", REF, "--json")
    assert error(ran) == (3, "ERR_MANIFEST")
    assert str(odd) in ran.document["error"]["message"]
