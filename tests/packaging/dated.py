"""`make release`: date the changelog, rehearse, commit and tag. `python -m tests.packaging.dated [DATE]`."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

from tests.conftest import ROOT
from tests.packaging import release
from theoryctl_providers.contract import VERSION


class NoRelease(Exception):
    """A release that cannot be tagged: what was expected, and what there is."""


def dated(changelog: str, version: str, day: date) -> str:
    """Return a changelog whose section of `version` has a date. Raises NoRelease where it is not `(unreleased)`."""
    text, count = re.subn(
        rf"^## {re.escape(version)} \(unreleased\)$", f"## {version} ({day})", changelog, flags=re.MULTILINE
    )
    if count != 1:
        raise NoRelease(f"CHANGELOG.md: expected a section ## {version} (unreleased), got none")
    return text


def is_clean(folder: Path) -> bool:
    """Return whether nothing of a checkout differs from its commit."""
    return not _git(folder, "status", "--porcelain")


def tag(folder: Path, version: str) -> None:
    """Commit the changelog of a checkout, and tag the commit."""
    _git(folder, "commit", "--quiet", "--message", f"Release {version}", "--", "CHANGELOG.md")
    _git(folder, "tag", "--annotate", f"v{version}", "--message", f"theoryctl {version}")


def main(day: date) -> int:
    """Return 0 where the release is tagged, else 1, with the changelog as it was."""
    changelog = ROOT / "CHANGELOG.md"
    before = changelog.read_text()
    try:
        if not is_clean(ROOT):
            raise NoRelease("expected a checkout without changes; see git status")
        changelog.write_text(dated(before, VERSION, day))
    except NoRelease as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if release.main(f"v{VERSION}"):
        changelog.write_text(before)
        return 1
    tag(ROOT, VERSION)
    sys.stderr.write(f"next: git push origin HEAD v{VERSION}\n")
    return 0


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    told = sys.argv[1:]
    sys.exit(main(date.fromisoformat(told[0]) if told else datetime.now(UTC).date()))
