"""Progress of work that takes a while: a line for each step, and at a terminal a spinner and bars below them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from theoryctl.progress import Progress
from theoryctl.terminal import notes
from theoryctl.terminal.streams import WANTED, console, is_rich
from theoryctl.terminal.text import printable_cell

if TYPE_CHECKING:
    from theoryctl.terminal.spinner import Activity


class ProgressDisplay(Progress):
    """Shows progress on standard error; `calm` takes away all of it that moves."""

    def __init__(self) -> None:
        self._activity: Activity | None = None

    def step(self, text: str) -> None:
        self.calm()
        notes.note(text)
        self.spin(text)

    def detail(self, text: str) -> None:
        if self._activity is not None:
            self._activity.say(printable_cell(text))

    def part(self, name: str, done: int, total: int) -> None:
        if self._activity is not None:
            self._activity.part(printable_cell(name), done, total)

    def spin(self, text: str) -> None:
        """Show a spinner with words, at a terminal where quiet is not wanted."""
        if is_rich(sys.stderr) and not WANTED.quiet:
            from theoryctl.terminal.spinner import Activity

            self._activity = Activity(console(sys.stderr), printable_cell(text))

    def calm(self) -> None:
        """Take the spinner and its bars away."""
        if self._activity is not None:
            self._activity.end()
            self._activity = None
