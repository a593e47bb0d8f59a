"""`make`: the one door, from a clean clone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.conftest import ROOT
from tests.packaging.clone import fresh_clone
from tests.pages import blocks, run_script

SMALLER_LOCKS = ("requirements-core.lock", "requirements-all.lock", "providers/requirements.lock")
#: Those of environments apart.
CLIENTS = tuple(f"tests/clients/{name}.lock" for name in ("asyncio", "llm", "openai2", "openai3"))

ANSWER = 'Mock answer c5aef81c from openai/gpt-4o-mini to: "Say hello in one word."'


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with fresh_clone(tmp_path_factory.mktemp("clone")) as folder:
        yield folder


def make(*arguments: str, folder: Path = ROOT, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in environment.items() if not name.startswith("MAKE")}
    return subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True, env=inherited, timeout=280)


def test_make_run_sets_up_what_a_mock_run_needs_and_no_more(clone: Path, environment: dict[str, str]) -> None:
    first = make("run", folder=clone, environment=environment)
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines()[-1] == ANSWER
    assert first.stderr.splitlines()[-1] == "next: . .venv/bin/activate"
    assert not list(clone.glob(".venv/lib/*/site-packages/litellm"))
    start = time.monotonic()
    second = make("run", folder=clone, environment=environment)
    assert (second.returncode, second.stdout.splitlines()[-1]) == (0, ANSWER)
    assert "setting up" not in second.stderr
    assert time.monotonic() - start < 5  # set-up itself is a few stats; this only tells it from another installation


def test_what_a_newcomer_types_works_from_a_fresh_clone_with_the_venv_it_makes(
    clone: Path, environment: dict[str, str]
) -> None:
    setup, serve = blocks("README.md", "sh setup"), blocks("README.md", "sh")
    script = ["make run\n", *setup, *serve, 'echo "led to ${OPENAI_BASE_URL-nowhere}"\n']
    printed = run_script("".join(script), environment, clone)
    assert printed.count("Mock answer") == 2
    assert printed.endswith("stopped llm/litellm@1 (process)\nled to nowhere\n")


def test_real_mode_without_litellm_says_what_to_install(clone: Path, environment: dict[str, str]) -> None:
    make("run", folder=clone, environment=environment)
    command: list[str | Path] = [
        clone / ".venv/bin/theoryctl",
        *["local", "run", "--ref", "llm/litellm@1", "--mode", "real", "--prompt", "x"],
    ]
    done = subprocess.run(command, capture_output=True, text=True, env={**environment, "OPENAI_API_KEY": "x" * 9})
    assert done.returncode == 1
    assert "ERR_PROVIDER" in done.stderr and "install" in done.stderr


def test_make_test_is_there_and_runs_the_suite(clone: Path, environment: dict[str, str]) -> None:
    planned = make("-n", "test", folder=clone, environment=environment)
    assert planned.returncode == 0
    assert "-m pytest" in planned.stdout


def test_help_lists_every_target(environment: dict[str, str]) -> None:
    listed = re.findall(r"^  make (\S+) ", make("help", environment=environment).stdout, re.MULTILINE)
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(phony.split())


def test_an_old_python_is_refused_with_the_way_out(clone: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    old = tmp_path / "python3.8"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = make("run", f"PYTHON={old}", "VENV=.venv-old", folder=clone, environment=environment)
    assert done.returncode == 2
    assert "needs Python 3.11 or newer" in done.stderr


def test_a_python_without_venv_leaves_nothing_half_made_and_what_another_left_is_made_anew(
    clone: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    # As Debian's python3 without python3-venv, seen on bookworm: a folder with a python and no pip, and status 1.
    bare = tmp_path / "python3"
    bare.write_text(
        f'#!/bin/sh\ncase "$*" in\n*"-m venv"*) {sys.executable} -m venv --without-pip .venv-bare; '
        f'echo "ensurepip is not available" >&2; exit 1;;\n*) exec {sys.executable} "$@";;\nesac\n'
    )
    bare.chmod(0o755)
    refused = make("run", f"PYTHON={bare}", "VENV=.venv-bare", folder=clone, environment=environment)
    assert refused.returncode == 2
    assert "apt-get install python3-venv" in refused.stderr
    assert not (clone / ".venv-bare").exists()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", clone / ".venv-bare"], check=True)
    pip = ".venv-bare/bin/pip"  # the first step of `make run`, and the one that looks at what is there
    mended = make(pip, f"PYTHON={sys.executable}", "VENV=.venv-bare", folder=clone, environment=environment)
    assert mended.returncode == 0, mended.stderr
    assert (clone / pip).exists()


def test_make_install_brings_real_mode_and_modal_and_no_tests(clone: Path, environment: dict[str, str]) -> None:
    planned = make("-n", "install", folder=clone, environment=environment)
    assert "requirements-all.lock" in planned.stdout and "requirements-dev.lock" not in planned.stdout
    everything = pins("requirements-all.lock")
    assert {"litellm", "mcp", "google-auth", "modal", "docker", "pip"} <= everything.keys()
    assert not {"pytest", "mypy", "openai-agents"} & everything.keys()


def test_locks_record_names_versions_and_hashes_and_no_addresses() -> None:
    for lock in ("requirements-dev.lock", *SMALLER_LOCKS, *CLIENTS):
        text = (ROOT / lock).read_text()
        assert "://" not in text and "file:" not in text
        entries = re.findall(r"^(\S+)==(\S+)(?: ;.*)? \\$", text, re.MULTILINE)
        assert len(entries) > 5
        assert len(re.findall(r"^[a-z0-9]", text, re.MULTILINE)) == len(entries)
        assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", text)) >= len(entries)


def test_the_locks_of_npm_have_hashes_and_no_addresses() -> None:
    for lock in (ROOT / "tests/clients").glob("*/package-lock.json"):
        packages = json.loads(lock.read_text())["packages"]
        assert len(packages) > 1
        for path, entry in packages.items():
            assert not path or entry["integrity"].startswith("sha512-"), path
            assert "resolved" not in entry, path


def pins(lock: str) -> dict[str, set[str]]:
    """The versions of each name: several where they depend on the Python."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^(\S+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_the_locks_agree_with_each_other() -> None:
    everything = pins("requirements-dev.lock")
    for lock in SMALLER_LOCKS:
        assert {name: versions for name, versions in pins(lock).items() if versions != everything.get(name)} == {}


def test_the_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = pins("requirements-dev.lock")
    for wanted in map(Requirement, project["dependencies"]):
        assert all(map(wanted.specifier.contains, locked[wanted.name])), wanted


def test_uvicorn_stays_below_the_next_major_because_its_protocol_class_is_subclassed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (wanted,) = (each for each in map(Requirement, project["dependencies"]) if each.name == "uvicorn")
    assert not wanted.specifier.contains("1.0")


def test_no_compromised_release_of_litellm_is_allowed_or_locked() -> None:
    text = (ROOT / "requirements-dev.lock").read_text()
    (version,) = re.findall(r"^litellm==(\S+)", text, re.MULTILINE)
    assert version not in ("1.82.7", "1.82.8") and not version.startswith("1.107.")
