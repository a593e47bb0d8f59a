"""`make slow`: what counts as changed, and which slow tests run for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.slow import changed_files

CONFTEST = """
from tests.slow import add_option, left_out

def pytest_addoption(parser):
    add_option(parser)

def pytest_collection_modifyitems(config, items):
    out = left_out(config, items)
    items[:] = [item for item in items if item not in out]
"""
TESTS = """
import pytest

def test_quick(): pass

@pytest.mark.slow("images/*")
def test_images(): pass

@pytest.mark.slow("*.lock")
def test_locks(): pass
"""


@pytest.fixture(autouse=True)
def no_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THEORYCTL_BASE", raising=False)


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder: Path, file: str) -> str:
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(file)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", file)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clone of a repository with one commit."""
    (tmp_path / "origin").mkdir()
    git(tmp_path / "origin", "init", "--quiet")
    commit(tmp_path / "origin", "first")
    git(tmp_path, "clone", "--quiet", "origin", "project")
    return tmp_path / "project"


def test_without_history_everything_counts_as_changed(project: Path, tmp_path: Path) -> None:
    assert changed_files(project) is None
    assert changed_files(tmp_path) is None


def test_a_branch_is_compared_with_where_it_left_origin(project: Path) -> None:
    commit(project, "second")
    commit(project, "images/third")
    (project / "fourth").write_text("not committed")
    assert changed_files(project) == ["images/third", "second", "fourth"]


def test_what_origin_has_too_is_compared_with_the_commit_before(project: Path) -> None:
    commit(project.parent / "origin", "second")
    commit(project.parent / "origin", "third")
    git(project, "pull", "--quiet")
    assert changed_files(project) == ["third"]


def test_the_base_can_be_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THEORYCTL_BASE", commit(project, "second"))
    commit(project, "third")
    assert changed_files(project) == ["third"]


@pytest.mark.parametrize(
    ("flags", "run"),
    [
        ((), ["test_quick"]),
        (("--slow", "changed"), ["test_quick", "test_images"]),
        (("--slow", "all"), ["test_quick", "test_images", "test_locks"]),
    ],
)
def test_a_slow_test_runs_where_its_files_have_changed(project: Path, flags: tuple[str, ...], run: list[str]) -> None:
    (project / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    (project / "conftest.py").write_text(CONFTEST)
    (project / "test_it.py").write_text(TESTS)
    commit(project, "images/second")
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *flags]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)})
    lines = [line for line in done.stdout.splitlines() if "PASSED" in line]
    assert [line.partition("::")[2].split()[0] for line in lines] == run, done.stdout + done.stderr
