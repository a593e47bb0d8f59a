"""The rehearsal of a release."""

from __future__ import annotations

from tests.packaging.release import problems


def test_a_release_wants_its_dated_section_and_its_own_tag() -> None:
    assert problems("0.2.0", "## 0.2.0 (2026-11-26)\n", "v0.2.0") == []
    assert problems("0.2.0", "## 0.1.0\n", None) == ["CHANGELOG.md: expected a section ## 0.2.0, got none"]
    assert problems("0.2.0", "## 0.2.0 (unreleased)\n", None)[0].endswith("got (unreleased)")
    assert problems("0.2.0", "## 0.2.0\n", "v0.3.0") == ["tag: expected v0.2.0, got v0.3.0"]
