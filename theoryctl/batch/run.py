"""A batch as it runs: what is asked next, and what becomes of each answer."""

from __future__ import annotations

import heapq
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from theoryctl.batch.answers import Answers, Finished
from theoryctl.batch.engine import Done, Engine, Job
from theoryctl.batch.failures import OF_A_LINE, Failures, Verdict
from theoryctl.batch.money import Budget, Reservations, reserve_all
from theoryctl.batch.output import Output
from theoryctl.batch.pace import LONGEST_PAUSE, Pace
from theoryctl.batch.plan import Plan
from theoryctl.batch.rows import RowFormat
from theoryctl.batch.tally import Tally
from theoryctl.errors import Interrupted, MaxCost, OutputFailed
from theoryctl.hints import again
from theoryctl.requests.billing import UNBILLED, paid
from theoryctl_providers.contract import Envelope, ProviderError, Request, is_mock

#: Seconds after which the watcher is called again, and the longest wait for an answer.
TICK = 0.1

#: Lines that wait to be asked again, from which on no other line is begun: they lie in memory.
_MOST_AGAIN = 1000


@dataclass(slots=True)
class _Asked:
    """A line that is being asked."""

    index: int
    id: str | None
    request: Request
    tokens: float = 0.0
    reserve: float | None = None
    held: Reservations | None = None
    tries: int = 0
    began: float = 0.0


@dataclass(frozen=True, slots=True)
class _Held:
    """A failure at a time that may be the line's own, or the vendor's."""

    asked: _Asked
    done: Done
    vendor: str
    at: float


#: Estimates a request before it is asked: tokens, and the most US dollars that it can cost.
Estimate = Callable[[Request], tuple[float, float]]


@dataclass(slots=True, kw_only=True)
class Batch:
    """Asks the lines of a plan through an engine, and writes a row for each.

    `results` is called with each group of lines that got an answer, `watch` with the tally every now and then, `tell`
    with lines for people. `estimate` is needed where there are `budgets`, or a limit of tokens a minute. Where rows
    find no room, what is in flight is finished first, unless it `finishes` nothing: a later run takes those answers.
    """

    plan: Plan
    engine: Engine
    output: Output
    form: RowFormat
    pace: Pace
    failures: Failures
    tally: Tally
    budgets: list[Budget] = field(default_factory=list)
    estimate: Estimate | None = None
    results: Callable[[Sequence[Finished]], None] | None = None
    watch: Callable[[Tally], None] = lambda tally: None
    tell: Callable[[str], None] = lambda line: None
    finishes: bool = True
    error: ProviderError | None = None
    _asked: dict[int, _Asked] = field(default_factory=dict)
    _again: list[tuple[float, int, _Asked]] = field(default_factory=list)
    _held: list[_Held] = field(default_factory=list)
    _ready: deque[_Asked] = field(default_factory=deque)
    _told: set[str] = field(default_factory=set)
    _watched: float = 0.0
    _unmade: int = 0
    _has_asked_again: bool = False
    _answers: Answers = field(init=False)

    def __post_init__(self) -> None:
        self._answers = Answers(self.plan, self.output, self.form, self.tally, self._end, self.results)

    def stop(self) -> None:
        """Ask nothing more, and finish what is in flight. From a signal handler too."""
        if self.error is None:
            self.error = Interrupted("interrupted: what was in flight was finished", hint=again("run it again"))

    def run(self, *, ordered: bool = False) -> None:
        """Ask all lines that are to be asked. Afterwards `error` is the reason why some were not; None for none.

        Raises OutputFailed where rows found no room, once all that was in flight has come, and `results` has heard it.
        """
        self._answers.copy_earlier()
        waiting = iter(self.plan.to_ask())
        self._unmade = self.plan.asked
        while True:
            delay = self._start(waiting)
            if self._is_over(delay):
                break
            self._settle(self.engine.finished(min(TICK, delay or TICK)) if self._asked else self._pause(delay or 0.0))
        self._end_unanswered()
        self.finish(ordered=ordered)
        self.watch(self.tally)

    def finish(self, *, ordered: bool = False) -> None:
        """Write the rest of the rows. Raises OutputFailed, also where some found no room before."""
        held, self._held = self._held, []
        for each in held:
            if self.error is None:
                self._write(each.asked, each.done)
            else:  # a later run asks the line again
                self._answers.give_up(each.asked.index, each.asked.id, each.asked.request, each.done.envelope)
        self._answers.flush()
        self._answers.finish(ordered=ordered)

    def _is_over(self, delay: float | None) -> bool:
        if self._answers.no_room is not None and not self.finishes:
            return True
        return not self._asked and (self.error is not None or delay is None)

    # -- what is asked next --------------------------------------------------------------------------------------------

    def _start(self, waiting: Iterator[int]) -> float | None:
        """Start as many calls as may begin now. Return the seconds until the next may, None where there is none."""
        jobs: list[Job] = []
        delay: float | None = 0.0
        room = self.pace.room(len(self._asked)) if self.error is None else 0
        while room > 0 and delay == 0.0:
            try:
                asked = self._next(waiting)
            except ProviderError as error:  # the lines, or an attachment, are not what was checked
                self.error = error
                break
            if asked is None:
                delay = self._until_again()
                break
            delay = self._may_begin(asked)
            if delay == 0.0:
                jobs.append(self._begin(asked))
                room -= 1
            elif self.error is None:
                self._ready.appendleft(asked)
        if jobs:
            self.engine.start(jobs)
        self.tally.in_flight = len(self._asked)
        return delay

    def _next(self, waiting: Iterator[int]) -> _Asked | None:
        """Return the line that is asked next. Lines that are asked again and others take turns: otherwise a few that
        always fail would take all places, and nobody else be asked."""
        if self._ready:
            return self._ready.popleft()
        is_due = bool(self._again) and self._again[0][0] <= self.pace.clock()
        is_turn = not (self._has_asked_again and self._unmade) or len(self._again) >= _MOST_AGAIN
        self._has_asked_again = is_due and is_turn
        if self._has_asked_again:
            return heapq.heappop(self._again)[2]
        if len(self._again) >= _MOST_AGAIN:
            return None
        index = next(waiting, None)
        return None if index is None else self._made(index)

    def _until_again(self) -> float | None:
        return max(0.001, self._again[0][0] - self.pace.clock()) if self._again else None

    def _made(self, index: int) -> _Asked:
        line = self.plan.line(index)
        request = self.plan.maker.make(line, admitted=True)
        self._unmade -= 1
        if self.estimate is None:
            return _Asked(index, line.id, request)
        tokens, usd = self.estimate(request)
        return _Asked(index, line.id, request, tokens, usd)

    def _may_begin(self, asked: _Asked) -> float:
        """Return the seconds until a call may begin, 0.0 for now. Money is held for it then."""
        delay = self.pace.delay(asked.tokens)
        if delay > 0.0 or not self.budgets:
            return delay
        try:
            asked.held = reserve_all(self.budgets, asked.reserve or 0.0, asked.request.run_id)
        except ProviderError as error:
            if not (self._asked and isinstance(error, MaxCost)):  # once others are settled, there may be enough
                self.error = error
            return TICK
        return 0.0

    def _begin(self, asked: _Asked) -> Job:
        asked.tries += 1
        asked.began = self.pace.begin(asked.tokens)
        self._asked[asked.index] = asked
        return Job(asked.index, asked.request)

    def _pause(self, seconds: float) -> list[Done]:
        time.sleep(min(seconds, TICK))
        return []

    # -- what becomes of an answer -------------------------------------------------------------------------------------

    def _settle(self, done: list[Done]) -> None:
        for each in done:
            self._judge(each)
        self._answers.flush()
        now = time.monotonic()
        if now - self._watched >= TICK:
            self._watched = now
            self.tally.least = self.pace.least(self.tally.asked - self.tally.done - len(self._asked))
            self.tally.again, self.tally.pause = len(self._again), self._pausing()
            self.watch(self.tally)

    def _pausing(self) -> float:
        """Return the seconds for which failures hold up all calls."""
        if self._asked:
            return 0.0
        until_again = 0.0 if self._unmade or self._ready else self._until_again() or 0.0
        return max(self.pace.paused, until_again)

    def _judge(self, done: Done) -> None:
        asked = self._asked.pop(done.job.number)
        envelope = done.envelope
        for note in done.notes:
            self._say(note)
        if asked.held is not None:
            asked.held.settle(paid(envelope))
        if asked.tokens:
            self.pace.settle(asked.tokens, _used(envelope, asked.tokens))
        vendor = _vendor(done)
        if (heard := envelope["meta"]["vendor"]) is not None and heard["headers"]:
            self.pace.heed(heard["headers"])
        error = envelope["error"]
        if error is None or _is_mocks(done):
            self.failures.answered(vendor, asked.began)
            self._release(vendor, asked.began)
            self._write(asked, done)
            return
        self.failures.all_asked = self._unmade <= 0 and all(each.tries for each in self._ready)
        verdict = self.failures.judge(vendor, error, asked.tries, asked.began, done.retry_after)
        self._heed_stop()
        if verdict is Verdict.FINAL:
            self._write(asked, done)
        elif verdict is Verdict.HELD:
            self._held.append(_Held(asked, done, vendor, self.pace.clock()))
        else:
            self.tally.add_retried(envelope)
            self._ask_again(asked, done.retry_after or 0.0)

    def _heed_stop(self) -> None:
        """End the batch early where failures say so, unless that spares no line: the last ones have their tries then,
        for a line that always fails would be left by every run. Some line has to have its answer, of this run or an
        earlier one."""
        stop = self.failures.stop
        if stop is None or self.error is not None:
            return
        if not (self.failures.all_asked and self._has_answered and stop.code in OF_A_LINE):
            self.error = stop

    def _end_unanswered(self) -> None:
        """End the batch for failures that are the vendor's, where lines have had all their tries."""
        for each in self._held:
            error = each.done.envelope["error"]
            if self.error is None and error is not None:
                self.failures.end(each.vendor, error, has_answered=self._has_answered)
                self._heed_stop()

    @property
    def _has_answered(self) -> bool:
        """Tell whether some line has its answer, of this run or an earlier one."""
        return bool(self.tally.ok or self.output.earlier.has_success)

    def _ask_again(self, asked: _Asked, retry_after: float) -> None:
        from dataclasses import replace

        from theoryctl_providers.contract.envelope import new_run_id

        asked.request = replace(asked.request, run_id=new_run_id())
        pause = random.uniform(0.5, 1) * self.failures.first_pause * asked.tries
        due = self.pace.clock() + max(pause, min(retry_after, LONGEST_PAUSE))
        heapq.heappush(self._again, (due, asked.index, asked))

    def _release(self, vendor: str, began: float) -> None:
        """Write the failures that were held back: the vendor has answered a call that began after them, so they are the
        lines' own."""
        if self._held:
            held, self._held = self._held, []
            for each in held:
                if each.vendor == vendor and each.at <= began:
                    self._write(each.asked, each.done)
                else:
                    self._held.append(each)

    def _write(self, asked: _Asked, done: Done) -> None:
        self._answers.write(asked.index, asked.id, asked.request, done.envelope)
        self.plan.usd_to_come -= asked.reserve or 0.0

    def _end(self, error: ProviderError) -> None:
        """Ask nothing more, and finish what is in flight: it is paid."""
        if isinstance(error, OutputFailed) and self._asked and self.finishes:
            self.tell(f"rows find no room: finishing {len(self._asked)} in flight first; Ctrl-C ends at once")
        self.error = self.error or error

    def _say(self, note: str) -> None:
        if note not in self._told:
            self._told.add(note)
            self.tell(note)


def _is_mocks(done: Done) -> bool:
    """Tell whether a mock has answered: its failures are answers like others, for it gives no other when it is asked
    again, or one that another line should have."""
    return done.is_answer and done.envelope["mode"] is not None and is_mock(done.envelope["mode"])


def _vendor(done: Done) -> str:
    return (done.envelope["model"] or "").partition("/")[0]


def _used(envelope: Envelope, reserved: float) -> float:
    """Tokens that a call has taken; where nobody knows, those that were reserved."""
    usage: Any = envelope["usage"]
    if envelope["error"] is not None and envelope["error"]["code"] in UNBILLED:
        return 0.0
    if usage["input_tokens"] is None and usage["output_tokens"] is None:
        return reserved
    return float((usage["input_tokens"] or 0) + (usage["output_tokens"] or 0))
