"""A spinner with words below the lines of a terminal, and a bar for each part of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn
from rich.spinner import Spinner
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console


class Activity:
    """Shown from when it is made until `end`; nothing of it stays. Texts are printable already."""

    def __init__(self, console: Console, text: str) -> None:
        self._spinner = Spinner("dots", _line(text))
        self._bars = Progress(TextColumn("  {task.description}"), BarColumn(), DownloadColumn(), console=console)
        self._parts: dict[str, TaskID] = {}
        self._live = Live(Group(self._spinner, self._bars), console=console, transient=True)
        self._live.start()

    def say(self, text: str) -> None:
        """Show other words beside the spinner."""
        self._spinner.update(text=_line(text))

    def part(self, name: str, done: int, total: int) -> None:
        """Show how far a part is, in bytes."""
        if name not in self._parts:
            self._parts[name] = self._bars.add_task(name, total=total)
        self._bars.update(self._parts[name], completed=done, total=total)

    def end(self) -> None:
        """Take it away."""
        self._live.stop()


def _line(text: str) -> Text:
    return Text(text, overflow="ellipsis", no_wrap=True)
