"""Waiting for the batches that vendors work on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from theoryctl.batch.vendors.record import Record
from theoryctl.batch.vendors.standing import Found
from theoryctl.errors import OutputFailed, TheoryctlError
from theoryctl.hints import again
from theoryctl.progress import Progress

#: Seconds between two looks at the vendors: the first, the factor to each next one, and the most.
_FIRST, _GROWTH, _LONGEST = 0.5, 1.5, 60.0


class StillWorking(TheoryctlError):
    error_code = "ERR_TIMEOUT"


@dataclass(slots=True)
class Wait:
    """Waits at most so many `seconds` until vendors have ended their batches, and shows how far they are."""

    seconds: float
    progress: Progress
    _pause: float = field(init=False, default=_FIRST)
    _working: int = field(init=False, default=0)

    def ended(
        self, records: Sequence[Record | OutputFailed], look: Callable[[Record], Sequence[Found]]
    ) -> Iterator[Record | OutputFailed]:
        """Yield each record once none of its batches is worked on any more; `look` asks the vendors for them.

        When the time is up, the rest is yielded, for what has ended of it. Raises StillWorking (`ERR_TIMEOUT`) then.
        """
        until = time.monotonic() + self.seconds
        waiting = list(records)
        while waiting:
            working = {id(each): list(_working(each, look)) for each in waiting}
            yield from (each for each in waiting if not working[id(each)])
            waiting = [each for each in waiting if working[id(each)]]
            left = until - time.monotonic()
            if waiting and left <= 0:
                yield from waiting
                raise _still_working(sum(map(len, working.values())))
            if waiting:
                self._rest(left, [each for found in working.values() for each in found])

    def _rest(self, left: float, working: Sequence[Found]) -> None:
        """Show how far the batches are, and pause: each time longer, up to a minute."""
        done = sum(each.standing.done for each in working if each.standing)
        requests = sum(len(each.submission.custom_ids) for each in working)
        if self._working != len(working):
            self._working = len(working)
            self.progress.step(f"waiting for {_batches(len(working))}; Ctrl-C ends the wait, and loses nothing")
        self.progress.detail(f"{_batches(len(working))}: {done:,} of {requests:,} requests done")
        time.sleep(min(self._pause, left))
        self._pause = min(self._pause * _GROWTH, _LONGEST)


def _working(record: Record | OutputFailed, look: Callable[[Record], Sequence[Found]]) -> Iterator[Found]:
    """Yield the batches that may come yet: those that are worked on, and those of a vendor that cannot be asked now."""
    for found in look(record) if isinstance(record, Record) else ():
        is_hidden = found.error is not None and found.error.retryable
        if is_hidden or (found.standing is not None and found.standing.state == "working"):
            yield found


def _still_working(number: int) -> StillWorking:
    return StillWorking(
        f"--wait: expected all batches to end in time, and {_batches(number)} did not", hint=again("run it again")
    )


def _batches(number: int) -> str:
    return "1 batch" if number == 1 else f"{number:,} batches"
