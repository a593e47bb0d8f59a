"""Waiting for the batches that vendors work on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import TypeVar

from theoryctl.batch.output import RowsInUse
from theoryctl.batch.vendors.record import Record
from theoryctl.batch.vendors.standing import Found
from theoryctl.errors import TheoryctlError
from theoryctl.hints import again
from theoryctl.progress import Progress

#: Seconds between two looks at the vendors: the first, the factor to each next one, and the most.
_FIRST, _GROWTH, _LONGEST = 0.5, 1.5, 60.0
#: Seconds between two attempts to write to rows that another batch writes to.
_TRY = 0.2

T = TypeVar("T")

#: Asks the vendors for the batches of a record.
Look = Callable[[Record], Sequence[Found]]


class StillWorking(TheoryctlError):
    """StillWorking is the end of a wait before the batches have ended."""

    error_code = "ERR_TIMEOUT"


@dataclass(slots=True)
class Wait:
    """Waits at most so many `seconds` until vendors have ended their batches, and shows how far they are."""

    seconds: float
    progress: Progress
    _until: float = field(init=False, default=0.0)
    _pause: float = field(init=False, default=_FIRST)
    _working: int = field(init=False, default=0)

    @property
    def left(self) -> float:
        """The seconds that are left, 0 when the time is up."""
        return max(0.0, self._until - time.monotonic())

    def ended(self, records: Sequence[Record], look: Look) -> Iterator[Record]:
        """Yield each record once none of its batches is worked on any more; the time begins now.

        When the time is up, those are yielded of which something has ended. Raises StillWorking (`ERR_TIMEOUT`) then.
        """
        self._until = time.monotonic() + self.seconds
        waiting = list(records)
        seen = {id(each): [Found(one) for one in each.submissions] for each in waiting}
        while waiting and self.left:
            seen |= self._looked(waiting, look)
            yield from (each for each in waiting if not _working(seen[id(each)]))
            waiting = [each for each in waiting if _working(seen[id(each)])]
            if waiting:
                self._rest([each for record in waiting for each in _working(seen[id(record)])])
        if waiting:
            yield from (each for each in waiting if _has_ended(seen[id(each)]))
            raise _still_working([each for record in waiting for each in _working(seen[id(record)])])

    def until_free(self, work: Callable[[], T]) -> T:
        """Do work on rows once no other batch writes to them. Raises StillWorking when the time is up."""
        while True:
            try:
                return work()
            except RowsInUse as error:
                if not self.left:
                    raise StillWorking(f"--wait: {error.message}", hint=again("run it again")) from None
            time.sleep(min(_TRY, self.left))

    def _looked(self, records: Sequence[Record], look: Look) -> dict[int, list[Found]]:
        """Look at records side by side, and return what is found by their `id`, as far as it comes in time: a vendor
        may let a request hang."""
        looks = {id(each): _begun(look, each) for each in records}
        wait(looks.values(), timeout=self.left)
        return {key: list(each.result()) for key, each in looks.items() if each.done()}

    def _rest(self, working: Sequence[Found]) -> None:
        """Show how far the batches are, and pause: each time longer, up to a minute, but so that the last look has time
        of its own."""
        done = sum(each.standing.done for each in working if each.standing)
        requests = sum(len(each.submission.custom_ids) for each in working)
        if self._working != len(working):
            self._working = len(working)
            self.progress.step(f"waiting for {_batches(len(working))}; Ctrl-C ends the wait, and loses nothing")
        self.progress.detail(f"{_batches(len(working))}: {done:,} of {requests:,} requests done")
        left = self.left
        time.sleep(min(self._pause, max(_FIRST, left / 2), left))
        self._pause = min(self._pause * _GROWTH, _LONGEST)


def _begun(look: Look, record: Record) -> Future[Sequence[Found]]:
    """Look at a record in a thread, which is left alone where it comes too late."""
    future: Future[Sequence[Found]] = Future()

    def run() -> None:
        try:
            future.set_result(look(record))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _working(found: Sequence[Found]) -> list[Found]:
    """The batches that may come yet: those that are worked on, and those of a vendor that cannot be asked now."""
    return [each for each in found if _is_hidden(each) or (each.standing and each.standing.state == "working")]


def _is_hidden(found: Found) -> bool:
    if found.error is not None:
        return found.error.retryable
    return found.standing is None and not found.is_gone


def _has_ended(found: Sequence[Found]) -> bool:
    return any(each.standing is not None and each.standing.state != "working" for each in found)


def _still_working(working: Sequence[Found]) -> StillWorking:
    message = f"--wait: expected all batches to end in time, and {_batches(len(working))} did not"
    said = next((f": {each.error.message}" for each in working if each.error is not None), "")
    return StillWorking(message + said, hint=again("run it again"))


def _batches(number: int) -> str:
    return "1 batch" if number == 1 else f"{number:,} batches"
