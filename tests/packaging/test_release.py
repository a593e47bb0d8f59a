"""The rehearsal of a release."""

from __future__ import annotations

import os
import re
import subprocess
import zipfile
from datetime import date
from pathlib import Path

import pytest

from tests.conftest import ROOT, THEORYCTL
from tests.packaging.clone import fresh_clone
from tests.packaging.dated import NoRelease, dated
from tests.packaging.release import accepted, problems
from theoryctl_providers.contract import VERSION


def test_a_release_wants_its_dated_section_and_its_own_tag() -> None:
    assert problems("0.2.0", "## 0.2.0 (2026-11-26)\n", "v0.2.0") == []
    assert problems("0.2.0", "## 0.1.0\n", None) == ["CHANGELOG.md: expected a section ## 0.2.0, got none"]
    for undated in ("## 0.2.0 (unreleased)\n", "## 0.2.0\n"):
        assert problems("0.2.0", undated, "v0.2.0") == [
            "CHANGELOG.md: expected a date in parentheses behind ## 0.2.0; make release writes it"
        ]
    assert problems("0.2.0", "## 0.2.0 (2026-11-26)\n", "v0.3.0") == ["tag: expected v0.2.0, got v0.3.0"]


def test_before_its_tag_a_release_has_no_date_yet() -> None:
    assert problems("0.2.0", "## 0.2.0 (unreleased)\n", None) == []


def test_the_date_of_a_release_is_written_into_its_own_section_alone() -> None:
    day = date(2026, 12, 1)
    before = "# Changelog\n\n## 0.2.0 (unreleased)\n\n- Says (unreleased).\n\n## 0.1.0 (2026-01-01)\n"
    assert dated(before, "0.2.0", day) == before.replace("## 0.2.0 (unreleased)", "## 0.2.0 (2026-12-01)")
    for wrong in ("## 0.1.0 (unreleased)\n", "## 0.2.0 (2026-11-26)\n"):
        with pytest.raises(NoRelease, match=re.escape("expected a section ## 0.2.0 (unreleased), got none")):
            dated(wrong, "0.2.0", day)


@pytest.mark.slow("Makefile", "tests/packaging/*release.py", "tests/packaging/dated.py")
def test_one_command_dates_rehearses_and_tags_a_release_and_a_second_one_does_nothing(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    who = {f"GIT_{role}_{part}": "tests@example" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    with fresh_clone(tmp_path) as clone:

        def run(*command: str) -> subprocess.CompletedProcess[str]:
            told = {**environment, **who}
            return subprocess.run(command, cwd=clone, env=told, capture_output=True, text=True, timeout=600)

        # Older than what was installed here, so that make installs nothing.
        for file in (clone / "pyproject.toml", *clone.glob("*.lock")):
            os.utime(file, (0, 0))
        (clone / ".venv").symlink_to(THEORYCTL.parents[1])
        (clone / ".git/info/exclude").write_text(".venv\n")
        run("git", "add", "--all")
        run("git", "commit", "--quiet", "--message", "Changes that are not committed yet")

        done = run("make", "release", "DATE=2026-12-01")
        assert done.returncode == 0, done.stderr
        assert done.stderr.splitlines()[-1] == f"next: git push origin HEAD v{VERSION}"
        shown = run("git", "show", "--format=%s", f"v{VERSION}^{{commit}}").stdout
        assert shown.startswith(f"Release {VERSION}\n") and f"+## {VERSION} (2026-12-01)\n" in shown
        again = run("make", "release")
        assert "expected a section" in again.stderr and again.returncode == 2
        assert run("git", "status", "--porcelain").stdout == ""


def test_the_recipe_for_an_action_names_this_version() -> None:
    assert f"/.github/actions/theoryctl@v{VERSION}\n" in (ROOT / "docs/ci.md").read_text()


def test_a_wheel_without_a_readme_is_not_released(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(tmp_path / "theoryctl-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("theoryctl-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: theoryctl\nVersion: 1\n")
    assert not accepted(tmp_path)
    assert "`long_description` missing" in capfd.readouterr().err
