"""A bar with a count and words, below the lines of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

if TYPE_CHECKING:
    from rich.console import Console


class Bar:
    """Shown from when it is made until `end`; nothing of it stays. Words are printable already."""

    def __init__(self, console: Console) -> None:
        columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
        self._progress = Progress(*columns, console=console, transient=True, refresh_per_second=8)
        self._task = self._progress.add_task("", total=None)  # not known yet; Rich would say 100
        self._progress.start()

    def update(self, done: int, total: int, words: str) -> None:
        """Show how far it is."""
        self._progress.update(self._task, completed=done, total=total, description=words)

    def end(self) -> None:
        """Take it away."""
        self._progress.stop()
