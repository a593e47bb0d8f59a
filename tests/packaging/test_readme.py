"""The README is true: its commands and its Python run, in a fresh clone."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, THEORYCTL
from tests.packaging.clone import fresh_clone
from tests.real.vendor import Vendor

README = (ROOT / "README.md").read_text()


def blocks(text: str, kind: str) -> list[str]:
    """The code blocks of a kind, such as `sh` or `python`."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(kind: str) -> list[str]:
    return [line for block in blocks(README, kind) for line in block.splitlines()]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with fresh_clone(tmp_path_factory.mktemp("clone")) as folder:
        yield folder


def bash(command: str, folder: Path, environment: dict[str, str], venv: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", command],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**environment, "PATH": f"{venv}:{environment['PATH']}" if venv.is_dir() else environment["PATH"]},
        timeout=240,
    )


def test_it_opens_with_the_two_commands() -> None:
    indented = [line.split("#")[0].strip() for line in README.splitlines() if line.startswith("    ")]
    assert indented[:2] == ["make run", "make test"]


def test_what_a_newcomer_types_works_from_a_fresh_clone_with_the_venv_it_makes(
    clone: Path, environment: dict[str, str]
) -> None:
    everything = "\n".join(["make run", *commands("sh")])
    done = bash(everything, clone, environment, Path("/nonexistent"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Mock answer") >= 5
    assert (clone / "run.json").read_text().startswith('{"schema": "theoryctl.run/v1"')


def test_what_the_readme_says_of_docker_works(clone: Path, environment: dict[str, str], docker: dict[str, str]) -> None:
    done = bash("\n".join(commands("sh docker")), clone, {**environment, **docker}, THEORYCTL.parent)
    assert done.returncode == 0, done.stderr
    assert "docker" in done.stdout and "Mock answer" in done.stdout


@pytest.mark.parametrize("command", commands("sh real"))
def test_a_real_command_of_the_readme_works_with_a_key_and_a_vendor(
    command: str, clone: Path, environment: dict[str, str]
) -> None:
    with Vendor() as vendor:
        keys = {
            "OPENAI_API_KEY": "sk-canary-0123456789",
            "ANTHROPIC_API_KEY": "sk-canary-0123456789",
            "OPENAI_BASE_URL": f"{vendor.url}/v1",
            "ANTHROPIC_BASE_URL": vendor.url,
        }
        done = bash(command, clone, {**environment, **keys}, THEORYCTL.parent)
    assert done.returncode == 0, done.stderr
    assert "sk-canary" not in done.stdout + done.stderr


def test_the_python_of_the_readme_runs() -> None:
    (block,) = blocks(README, "python")
    done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Mock answer")
    assert done.stderr == ""


def test_the_python_of_the_page_on_providers_runs(tmp_path: Path) -> None:
    *callers, source, test = blocks((ROOT / "docs/providers.md").read_text(), "python")
    for caller in callers:
        done = subprocess.run([sys.executable, "-c", caller], capture_output=True, text=True, check=True)
        assert done.stderr == ""
    (tmp_path / "acme_echo.py").write_text(source)
    (tmp_path / "test_acme_echo.py").write_text(test)
    script = (
        "from theoryctl_providers import run\n"
        "print(run({'messages': [{'role': 'user', 'content': 'a b'}]}, provider='acme_echo:Echo', mode='mock'))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "'text': 'a b '" in done.stdout
    command = [sys.executable, "-m", "pytest", "-q", "test_acme_echo.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert "1 passed" in done.stdout, done.stdout


def test_the_programmatic_use_takes_six_lines() -> None:
    (block,) = blocks(README, "python")
    assert len([line for line in block.splitlines() if line.strip()]) == 6


def test_every_link_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
