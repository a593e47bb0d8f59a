"""How far long work has come, told to whoever watches."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Hears of work that takes a while."""

    def step(self, text: str) -> None:
        """A step begins; it is worth a line in a log."""
        ...

    def detail(self, text: str) -> None:
        """Where the step is: worth seeing at a terminal only, where it replaces the one before."""
        ...

    def part(self, name: str, done: int, total: int) -> None:
        """How far one of the step's parts is, such as a layer, in bytes: worth seeing at a terminal only."""
        ...
