"""Writes docs/reliability.md: `python -m tests.reliability` tries again what it tells of, by the tests of each area.

A test is one thing tried, or as many as its property `tried` says; its other properties are measures, of which the
page shows the largest. `python -m tests.reliability "Logs"` tries the areas named, and leaves the rows of others alone.
"""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from tests.generate import table

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reliability.md"

#: What was tried in each area, and the tests that try it: files below tests/.
AREAS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Reports on inputs": (
        "the cost of refusing a body with thousands of problems, against accepting one of its size",
        ("providers/inputs/test_bounded.py",),
    ),
    "Requests": (
        "generated requests to every wire: never a 500, always JSON, every envelope valid by its schema",
        ("providers/wires/test_fuzz.py",),
    ),
    "Refused requests": (
        "a hundred requests at a time whose bodies never arrive; endless bodies and headers",
        ("providers/server/test_refused.py",),
    ),
    "Bugs in a wire": ("before an answer, and in the middle of one", ("providers/server/test_last_catch.py",)),
    "Foreign answers": (
        "other programs on an instance's port: invalid events, bytes that are not UTF-8, other protocols",
        ("actions/test_foreign_answers.py",),
    ),
    "Logs": (
        "a full disk, rotation under load, a log that was emptied or belongs to another server",
        ("providers/server/test_log.py", "actions/test_log_files.py"),
    ),
    "Mock-only servers": (
        "network access from a mock-only server: connections, look-ups, datagrams, programs, forks",
        ("providers/server/test_mock_only.py",),
    ),
}

HEAD = """\
# Reliability

Each row is a set of tests that put started providers under attack or stress, with real servers, real sockets and real
processes. `python -m tests.reliability` runs all of them again and writes this page; `python -m pytest tests/FILE` runs
one row. `make fuzz` sends other generated requests than the suite does, for ten minutes.

"""


@dataclass
class Figures:
    """Counts of what was tried and survived, and the largest value of each measure."""

    tried: int = 0
    survived: int = 0
    measures: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, case: ElementTree.Element) -> None:
        """Take in a test case of JUnit's XML."""
        properties = {each.get("name", ""): float(each.get("value", 0)) for each in case.iter("property")}
        tried = int(properties.pop("tried", 1))
        self.tried += tried
        self.survived += 0 if any(case.find(name) is not None for name in _FAILED) else tried
        for name, value in properties.items():
            self.measures[name] = max(self.measures[name], value)


_FAILED = ("failure", "error", "skipped")


def figures(files: tuple[str, ...]) -> Figures:
    """Run the tests of an area."""
    found = Figures()
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        paths = [f"tests/{file}" for file in files]
        command = [sys.executable, "-m", "pytest", "--quiet", f"--junitxml={report}", *paths]
        subprocess.run(command, cwd=ROOT, check=False)
        for case in ElementTree.parse(report).iter("testcase"):
            found.add(case)
    return found


def row(area: str) -> tuple[str, ...]:
    """Try an area, and return its row."""
    what, files = AREAS[area]
    found = figures(files)
    measured = "; ".join(f"{name}: {value:g}" for name, value in sorted(found.measures.items()))
    return area, what, str(found.tried), str(found.survived), measured, ", ".join(f"`{file}`" for file in files)


def written() -> dict[str, tuple[str, ...]]:
    """Return the rows of the page as it is, by area."""
    lines = PAGE.read_text(encoding="utf-8").splitlines() if PAGE.exists() else []
    rows = [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in lines if line.startswith("| ")]
    return {cells[0]: cells for cells in rows}


def main(areas: list[str]) -> None:
    """Try the areas, all of them unless some are named, and write the page."""
    rows = {area: cells for area, cells in written().items() if area in AREAS}
    rows |= {area: row(area) for area in areas or AREAS}
    header = ("area", "tried", "times", "survived", "measured, at most", "tests")
    PAGE.write_text(HEAD + table(header, [rows[area] for area in AREAS if area in rows]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
