"""Failures of calls: which are asked again, which are the line's own, and when a vendor is given up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from theoryctl.batch.pace import Pace
from theoryctl.errors import StoppedEarly
from theoryctl.hints import Hint, again
from theoryctl_providers.contract import ErrorInfo

#: Refusals for too many calls. They are not billed, and say nothing of the line.
_LIMITED = frozenset(("ERR_RATE_LIMITED", "ERR_OVERLOADED"))
#: Failures of a vendor, or of the way to it, that may pass.
_DOWN = frozenset(("ERR_UNREACHABLE", "ERR_UNAVAILABLE", "ERR_NOT_RUNNING", "ERR_MODAL_UNAVAILABLE"))
#: Failures that may be the vendor's or the line's. They may be billed, and so are not asked again.
_SLOW = frozenset(("ERR_TIMEOUT",))
#: Failures that every call of the account will meet.
_ACCOUNT = frozenset(("ERR_AUTH", "ERR_PERMISSION", "ERR_QUOTA", "ERR_MISSING_SECRET", "ERR_TOKEN"))

#: Failures that one line may meet each time, though the vendor answers others: it is too large for a limit per minute,
#: its answer takes too long, or the vendor breaks on it.
OF_A_LINE = _LIMITED | _SLOW | {"ERR_UNAVAILABLE"}

#: Tries of one line: after a failure that may pass, and after refusals for too many calls.
TRIES, _LIMITED_TRIES = 3, 20
#: Failures of an account in a row that end a batch, and rounds of failures of a vendor that is down, or at its limit.
_ACCOUNT_FAILURES, _DOWN_ROUNDS, _LIMITED_ROUNDS = 3, 5, 10

#: Tries beyond the first that a batch has at least, and per line.
_FEWEST_RETRIES, _RETRIES_PER_LINE = 100, 0.2

#: Seconds of the first pause of a vendor that is down; each round doubles it.
FIRST_PAUSE = 0.5


class Verdict(Enum):
    """The way on with a line whose call has failed: its row is written, it is asked again, or it waits until the
    vendor's answers to other lines decide."""

    FINAL = auto()
    AGAIN = auto()
    HELD = auto()


@dataclass(slots=True)
class _Streak:
    """Failures of one vendor since its last answer. A round are those of lines that were under way at the same time."""

    failures: int = 0
    rounds: int = 0
    counted_at: float = -math.inf
    last_at: float = -math.inf


@dataclass(slots=True)
class Failures:
    """Judges failures with one budget of retries for all lines; `lines` is the number of lines.

    `stop` is the reason to end the batch, once there is one. `all_asked` is set where no line waits for its first call.
    """

    pace: Pace
    lines: int
    first_pause: float = FIRST_PAUSE
    clock: Callable[[], float] = time.monotonic
    stop: StoppedEarly | None = None
    all_asked: bool = False
    _retries: int = field(init=False)
    _unanswered: dict[str, _Streak] = field(init=False, default_factory=dict)
    _refused: dict[str, _Streak] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._retries = max(_FEWEST_RETRIES, int(self.lines * _RETRIES_PER_LINE))

    def answered(self, vendor: str, began: float) -> None:
        """Note an answer to a call that began then: the vendor is there. An account that was refused since may not be
        accepted any more, though."""
        self.pace.answered()
        self._unanswered.pop(vendor, None)
        if (refused := self._refused.get(vendor)) is not None and refused.last_at <= began:
            del self._refused[vendor]

    def judge(self, vendor: str, error: ErrorInfo, tries: int, began: float, retry_after: float | None) -> Verdict:
        """Judge the failure of a call that began then, the line's `tries`-th."""
        code = error["code"]
        if code in _LIMITED:
            self.pace.refused(began, retry_after)
            self._count(vendor, error, began, _LIMITED_ROUNDS)
            most = TRIES if self.stop is not None and self.all_asked else _LIMITED_TRIES
            return Verdict.AGAIN if tries < most else Verdict.HELD
        if code in _DOWN:
            return self._down(vendor, error, tries, began, retry_after)
        if code in _SLOW:
            self._count(vendor, error, began, _DOWN_ROUNDS)
            return Verdict.HELD
        if code in _ACCOUNT:
            self._account(vendor, error)
            return Verdict.HELD
        return Verdict.FINAL

    def end(self, vendor: str, error: ErrorInfo, *, has_answered: bool) -> None:
        """Judge the last failure of a line, where no call is left. It ends the batch, as the vendor's own, if no call
        was answered since; unless some line `has_answered` and the failure is of a kind that a single line can have."""
        streak, code = self._unanswered.get(vendor), error["code"]
        if streak is not None and code in _LIMITED | _DOWN and not (has_answered and code in OF_A_LINE):
            self._give_up_unanswered(vendor, error, streak)

    def _down(self, vendor: str, error: ErrorInfo, tries: int, began: float, retry_after: float | None) -> Verdict:
        # A line that fails again says nothing new of the vendor: a few that always do would end the whole batch.
        is_first = tries == 1
        rounds = self._count(vendor, error, began, _DOWN_ROUNDS, is_new=is_first)
        if rounds > 1 and is_first:
            self.pace.pause(max(retry_after or 0.0, self.first_pause * 2 ** (rounds - 1)))
        if rounds > 1 and not self.all_asked:  # nobody is answered: what ends this is the number of rounds
            return Verdict.AGAIN
        if tries >= TRIES or self._retries <= 0 or not error["retryable"]:
            return Verdict.HELD
        self._retries -= 1
        return Verdict.AGAIN

    def _account(self, vendor: str, error: ErrorInfo) -> None:
        streak = self._failed(self._refused, vendor)
        if streak.failures >= _ACCOUNT_FAILURES:
            self._give_up(vendor, error, f"refused {streak.failures} calls in a row")

    def _count(self, vendor: str, error: ErrorInfo, began: float, most: int, *, is_new: bool = True) -> int:
        streak = self._failed(self._unanswered, vendor)
        if is_new and began >= streak.counted_at:
            streak.rounds += 1
            streak.counted_at = self.clock()
        if streak.rounds >= most:
            self._give_up_unanswered(vendor, error, streak)
        return streak.rounds

    def _failed(self, streaks: dict[str, _Streak], vendor: str) -> _Streak:
        streak = streaks.setdefault(vendor, _Streak())
        streak.failures += 1
        streak.last_at = self.clock()
        return streak

    def _give_up_unanswered(self, vendor: str, error: ErrorInfo, streak: _Streak) -> None:
        self._give_up(vendor, error, f"answered none of the last {streak.failures} calls")

    def _give_up(self, vendor: str, error: ErrorInfo, what: str) -> None:
        if self.stop is None:
            message = (
                f"the batch was stopped early: {vendor or 'the provider'} {what}; the last failure: {error['message']}"
            )
            self.stop = StoppedEarly(error["code"], message, hint=_then_again(error["hint"]))


def _then_again(hint: str | None) -> Hint:
    """The hint of a failure, and to run the batch again then."""
    if isinstance(hint, Hint):
        return hint.then(again("run it again"))
    return again("run it again").after((hint or "wait until it answers").removesuffix(", then run it again"))
