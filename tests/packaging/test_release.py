"""The rehearsal of a release."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.packaging.release import accepted, problems
from theoryctl_providers.contract import VERSION


def test_a_release_wants_its_dated_section_and_its_own_tag() -> None:
    assert problems("0.2.0", "## 0.2.0 (2026-11-26)\n", "v0.2.0") == []
    assert problems("0.2.0", "## 0.1.0\n", None) == ["CHANGELOG.md: expected a section ## 0.2.0, got none"]
    assert problems("0.2.0", "## 0.2.0 (unreleased)\n", None)[0].endswith("got (unreleased)")
    assert problems("0.2.0", "## 0.2.0\n", "v0.3.0") == ["tag: expected v0.2.0, got v0.3.0"]


def test_the_recipe_for_an_action_names_this_version() -> None:
    assert f"/.github/actions/theoryctl@v{VERSION}\n" in (ROOT / "docs/ci.md").read_text()


def test_a_wheel_without_a_readme_is_not_released(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(tmp_path / "theoryctl-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("theoryctl-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: theoryctl\nVersion: 1\n")
    assert not accepted(tmp_path)
    assert "`long_description` missing" in capfd.readouterr().err
