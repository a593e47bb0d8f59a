"""An answer as it comes: its display, and its pace."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Protocol

#: Seconds between the first and the last piece below which a rate says nothing.
_SHORTEST = 0.001


class StreamedAnswer(Protocol):
    """The display of an answer as it comes."""

    def add(self, text: str) -> None:
        """Show more of it."""

    def close(self) -> None:
        """End it."""


class PlainAnswer:
    """Shows the text as it is, and a line after it where there is one."""

    def __init__(self, say: Callable[..., None], after: str | None = None) -> None:
        self._say, self._after = say, after

    def add(self, text: str) -> None:
        self._say(text, end="")

    def close(self) -> None:
        self._say("" if self._after is None else f"\n{self._after}")


class Pace:
    """Notes when the call began and when its pieces came."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._first: float | None = None
        self._last = self._began

    def note(self) -> None:
        """Note that a piece of the answer has come."""
        self._last = time.monotonic()
        self._first = self._last if self._first is None else self._first

    def words(self, tokens: int | None) -> Iterator[str]:
        """`first token after 0.35 s`, and with the number of tokens in the answer `42 tokens/s` from there on."""
        if self._first is None:
            return
        yield f"first token after {self._first - self._began:.2f} s"
        seconds = self._last - self._first
        if tokens and seconds > _SHORTEST:
            rate = (tokens - 1) / seconds
            yield f"{rate:.0f} tokens/s" if rate >= 10 else f"{rate:.1f} tokens/s"
