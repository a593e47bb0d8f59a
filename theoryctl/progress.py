"""Progress of long work."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Hears of work that takes a while."""

    def step(self, text: str) -> None:
        """A step begins; it is worth a line in a log."""
        ...

    def detail(self, text: str) -> None:
        """The step is at this point: worth seeing at a terminal only, where it replaces the one before."""
        ...

    def part(self, name: str, done: int, total: int) -> None:
        """A part of the step, such as a layer, is so far, in bytes: worth seeing at a terminal only."""
        ...
