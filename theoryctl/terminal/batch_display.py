"""A batch as it goes on: a bar at a terminal, and elsewhere a line every ten seconds."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from theoryctl.batch.lines import lines_words
from theoryctl.batch.tally import Tally
from theoryctl.terminal import notes
from theoryctl.terminal.format import rate_words, time_words
from theoryctl.terminal.streams import WANTED, console, is_rich
from theoryctl.units import dollars

if TYPE_CHECKING:
    from theoryctl.terminal.progress_bar import Bar

#: Seconds between lines.
EVERY = 10.0


class BatchDisplay:
    """Shows the tally of a batch on standard error, unless people want quiet."""

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._said = time.monotonic()

    def watch(self, tally: Tally) -> None:
        """Show the tally as it is now."""
        if WANTED.quiet:
            return
        if is_rich(sys.stderr):
            self._draw(tally)
        elif time.monotonic() - self._said >= EVERY:
            self._said = time.monotonic()
            notes.note(progress_line(tally))

    def tell(self, line: str) -> None:
        """Show a line for people; the bar comes back below it."""
        self.end()
        notes.note(line)

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.end()
            self._bar = None

    def _draw(self, tally: Tally) -> None:
        if self._bar is None:
            from theoryctl.terminal.progress_bar import Bar

            self._bar = Bar(console(sys.stderr))
        self._bar.update(tally.done, tally.asked, _facts(tally))


def progress_line(tally: Tally) -> str:
    """The tally in one line: `1,200 of 5,000 lines (24 %), 118/s, 32 s to go, $0.35, 2 failed: ERR_TIMEOUT 2`."""
    share = f"{100 * tally.done // tally.asked} %" if tally.asked else "-"
    return f"{tally.done:,} of {tally.asked:,} lines ({share}), {_facts(tally)}"


def _facts(tally: Tally) -> str:
    rate = tally.done / max(tally.seconds, 1e-3)
    said = [f"{rate_words(rate)}/s"]
    if tally.pause >= 1:
        said.append(_waiting(tally))
    elif tally.asked > tally.done and (rate or tally.least[0]):
        said.append(_to_go((tally.asked - tally.done) / rate if rate else 0.0, *tally.least))
    if tally.cost_usd:
        said.append(dollars(tally.cost_usd))
    if tally.failures:
        codes = ", ".join(f"{code} {count}" for code, count in tally.failed.most_common(3))
        said.append(f"{tally.failures:,} failed: {codes}")
    return ", ".join(said)


def _waiting(tally: Tally) -> str:
    """The time until the next call: no rate says how long failures are waited for."""
    lines = f"{lines_words(tally.again)} to ask again, " if tally.again else ""
    return f"{lines}waiting {time_words(tally.pause)} for the next call"


def _to_go(seconds: float, least: float, limit: str | None) -> str:
    """The time to go at the rate so far, or as a limit has it, which lets lines pass faster in the beginning."""
    return f"{time_words(least)} to go by --{limit}" if limit and least > seconds else f"{time_words(seconds)} to go"
