"""The plan of a batch: every line read and checked, before the first call."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from theoryctl.batch.given_inputs import check_given
from theoryctl.batch.lines import Line
from theoryctl.batch.problems import Problems
from theoryctl.batch.requests import Check, RequestMaker
from theoryctl.batch.resume import Earlier
from theoryctl.batch.rows import Before
from theoryctl.batch.source import Source
from theoryctl.errors import BadInputs
from theoryctl_providers.contract import Operation, ProviderError, Request

#: States of a line: to be asked; in no need of a call; equal to one that is asked; equal to one that was answered in an
#: earlier run.
TODO, SETTLED, TWIN, REPEATED = range(4)

#: Codes of failures that are a line's own. All others concern the batch.
_OF_A_LINE = frozenset(
    ("ERR_INPUTS", "ERR_ATTACHMENT", "ERR_UNSUPPORTED_PARAM", "ERR_MODEL_NOT_FOUND", "ERR_TOO_LARGE")
)

_DIGEST = 32


@dataclass(slots=True)
class Plan:
    """State and digest of every line, by its index from 0; 41 bytes a line.

    `twins` are the indexes of lines that are equal to one before them. `invalid` counts lines that were left out,
    `resumed` those that have a row from an earlier run. Unless it has `dedupe`, equal lines are asked each. `unpriced`
    counts earlier calls of a cost that nobody knows, by the index of the first line of their request. `before` are
    failed calls that are made again, by the index of the line, and `gone` those for lines that are not there any more.
    `usd_to_come` is the most that the lines without a row can cost, where there is a limit.
    """

    source: Source
    maker: RequestMaker
    dedupe: bool = True
    ends: array[int] = field(default_factory=lambda: array("Q"))
    states: bytearray = field(default_factory=bytearray)
    digests: bytearray = field(default_factory=bytearray)
    twins: dict[int, list[int]] = field(default_factory=dict)
    lines: int = 0
    invalid: int = 0
    resumed: int = 0
    unpriced: dict[int, int] = field(default_factory=dict)
    before: dict[int, Before] = field(default_factory=dict)
    gone: Before = ()
    usd_to_come: float = 0.0

    @property
    def asked(self) -> int:
        """The number of lines that are to be asked."""
        return self.states.count(TODO)

    def to_ask(self) -> Iterator[int]:
        """Yield the indexes of the lines that are to be asked."""
        return self._in_state(TODO)

    def repeated(self) -> Iterator[int]:
        """Yield the indexes of the lines whose answer stands in a row from an earlier run."""
        return self._in_state(REPEATED)

    def rows_to_come(self) -> Iterator[int]:
        """Yield the indexes of all lines that get a row in this run."""
        return (index for index, state in enumerate(self.states) if state != SETTLED)

    def line(self, index: int) -> Line:
        """Read a line again. Raises BadInputs where the file has changed."""
        start = self.ends[index - 1] if index else 0
        data = self.source.read(start, self.ends[index])
        self.source.check_unchanged()
        return self.maker.read(index + 1, data)

    def digest(self, index: int) -> bytes:
        """Return the digest of a line's request."""
        return bytes(self.digests[index * _DIGEST : (index + 1) * _DIGEST])

    def take_before(self, index: int) -> Before:
        """Return the failed calls that the row of a line tells of. The first row tells of those for lines that are gone
        too: their rows are removed, and what they have cost is not forgotten."""
        gone, self.gone = self.gone, ()
        return self.before.pop(index, ()) + gone

    def _in_state(self, state: int) -> Iterator[int]:
        index = self.states.find(state)
        while index >= 0:
            yield index
            index = self.states.find(state, index + 1)


@dataclass(slots=True, kw_only=True)
class Planner:
    """Reads all lines, checks those that are new, and finds equal ones.

    `look` is called with each request that is to be asked. With `skips` invalid lines are left out, unless all are.
    """

    plan: Plan
    check: Check
    earlier: Earlier
    skips: bool = False
    look: Callable[[int, Request], None] | None = None
    _first: dict[bytes, int] = field(default_factory=dict)
    _ids: dict[int, int] = field(default_factory=dict)
    _problems: Problems = field(default_factory=Problems)

    def made(self) -> Plan:
        """Read the lines. Raises BadInputs (`ERR_INPUTS`) that tells of invalid ones, and ProviderError for whatever
        is wrong with the batch, such as with inputs that are given to all lines."""
        plan, end = self.plan, 0
        if plan.maker.given:
            check_given(plan.maker, self.check, self._operation())
        for index, data in enumerate(plan.source.lines()):
            end += len(data)
            plan.ends.append(end)
            state, digest = self._judged(index, data)
            plan.states.append(state)
            plan.digests += digest
        plan.source.check_unchanged()
        plan.gone = self.earlier.take_other_failed()
        if plan.invalid and (plan.invalid == plan.lines or not self.skips):
            raise self._problems.refusal(plan.source.name, plan.invalid, plan.lines)
        return plan

    def _operation(self) -> Operation:
        """The operation of the first line that can be read."""
        for index, data in enumerate(self.plan.source.lines()):
            with suppress(ProviderError):
                return self.plan.maker.read(index + 1, data).operation
        return "chat"

    def _judged(self, index: int, data: bytes) -> tuple[int, bytes]:
        if not data.strip():
            return SETTLED, bytes(_DIGEST)
        self.plan.lines += 1
        try:
            return self._checked(index, data)
        except ProviderError as error:
            if error.code not in _OF_A_LINE:
                raise
            self.plan.invalid += 1
            self._problems.add(index + 1, error)
            return SETTLED, bytes(_DIGEST)

    def _checked(self, index: int, data: bytes) -> tuple[int, bytes]:
        plan = self.plan
        line = plan.maker.read(index + 1, data)
        self._check_id(line)
        request = plan.maker.make(line)
        digest = plan.maker.digest(request)
        state = self._state(index, digest, line.id)
        if state == TODO:
            self.check(request)
            if self.look is not None:
                self.look(index, request)
            if plan.dedupe:
                self._first[digest[:16]] = index
        return state, digest

    def _state(self, index: int, digest: bytes, own: str | None) -> int:
        if unpriced := self.earlier.take_unpriced(digest):
            self.plan.unpriced[index] = unpriced
        if self.earlier.take(digest, own):
            self.plan.resumed += 1
            return SETTLED
        if before := self.earlier.take_failed(digest, own):
            self.plan.before[index] = before
        if not self.plan.dedupe:
            return TODO
        if self.earlier.knows(digest):
            return REPEATED
        first = self._first.get(digest[:16])
        if first is None:
            return TODO
        self.plan.twins.setdefault(first, []).append(index)
        return TWIN

    def _check_id(self, line: Line) -> None:
        if line.id is None:
            return
        before = self._ids.setdefault(hash(line.id), line.number)
        if before != line.number:
            message = f"id: expected one of its own, got {line.id[:200]!r}, which line {before} has"
            raise BadInputs(message, hint="give each line an id of its own")
