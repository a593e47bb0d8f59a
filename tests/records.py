"""Records of what tests have shown of each vendor, of which `make docs` makes docs/vendors.md.

A test says `shows("gemini", "stream")` as its last line. At the end of a run the records of all tests that ran are
compared with those of the commit, and the run fails where they differ: what is published was shown by this very code.
`python -m tests.records` runs the tests concerned and writes the records anew.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FILE = Path("tests/real/records.json")
#: The name of the property of a test's report that holds a record. Reports travel, so that workers need no other way.
SHOWS = "shows"

Shows = Callable[[str, str], None]
#: Test functions that show an ability, by `vendor: ability`.
Shown = dict[str, list[str]]


def committed(root: Path) -> Shown:
    """Return the records of the commit."""
    return dict(json.loads((root / FILE).read_text()))


class Recorder:
    """Collects what the tests of a run have shown, as a plugin of pytest where no worker is one."""

    def __init__(self, root: Path, writes: bool = False) -> None:
        self._root, self._writes = root, writes
        self._shown: dict[str, set[str]] = {}
        self._ran: set[str] = set()
        self.difference = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call":
            return
        function = report.nodeid.partition("[")[0]
        self._ran.add(function)
        for name, value in report.user_properties:
            if name == SHOWS:
                self._shown.setdefault(str(value), set()).add(function)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Compare, or write. A run that failed anyway, or of chosen tests, has not shown all that it could."""
        config = session.config
        is_chosen = config.option.keyword or config.option.markexpr or any("::" in each for each in config.args)
        if session.exitstatus != pytest.ExitCode.OK or is_chosen:
            return
        if self._writes:
            shown = {what: sorted(functions) for what, functions in sorted(self._shown.items())}
            (self._root / FILE).write_text(json.dumps(shown, indent=2) + "\n")
        elif self._ran:
            self._compare(session)

    def _compare(self, session: pytest.Session) -> None:
        before = self._of_this_run(committed(self._root))
        now = self._of_this_run({what: sorted(functions) for what, functions in self._shown.items()})
        if before != now:
            differ = sorted(what for what in {*before, *now} if before.get(what) != now.get(what))
            self.difference = f"{FILE} differs from what was shown ({', '.join(differ)}); run: make docs"
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _of_this_run(self, shown: Shown) -> Shown:
        """The records by functions that ran."""
        found = {what: [each for each in functions if each in self._ran] for what, functions in shown.items()}
        return {what: functions for what, functions in found.items() if functions}

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.difference:
            terminalreporter.write_line(f"FAILED {self.difference}", red=True)


def main() -> int:
    """Run the tests that show something, and write their records."""
    root = Path(__file__).parent.parent
    files = [str(file) for file in sorted(root.glob("tests/real/test_*.py")) if "shows: Shows" in file.read_text()]
    return int(pytest.main(["-q", "-p", "no:cacheprovider", "--write-records", *files]))


if __name__ == "__main__":
    sys.exit(main())
