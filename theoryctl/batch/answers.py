"""Answers of a batch: their rows, those of equal lines, and who is told of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from theoryctl.batch.output import Output
from theoryctl.batch.plan import Plan
from theoryctl.batch.rows import RowFormat
from theoryctl.batch.tally import Tally
from theoryctl.errors import OutputFailed
from theoryctl_providers.contract import Envelope, ProviderError, Request


@dataclass(frozen=True, slots=True)
class Finished:
    """A line that has its answer: the request, and the envelope of its success or failure."""

    number: int
    id: str | None
    digest: bytes
    request: Request
    envelope: Envelope


@dataclass(slots=True)
class Answers:
    """Writes the row of each answer, and of the lines that are equal to its own.

    `end` is told why no more is to be asked: rows find no room, once, or lines are not what was checked. `results` is
    called with each group of lines whose rows were written, or found no room, and with failures that get no row.
    """

    plan: Plan
    output: Output
    form: RowFormat
    tally: Tally
    end: Callable[[ProviderError], None]
    results: Callable[[Sequence[Finished]], None] | None = None
    #: The first failure to write; None while there is room.
    no_room: OutputFailed | None = None
    _finished: list[Finished] = field(default_factory=list)

    def copy_earlier(self) -> None:
        """Give lines that are equal to one of an earlier run its answer."""
        earlier, wanted = self.output.earlier, dict[bytes, list[int]]()
        for index in self.plan.repeated():
            wanted.setdefault(self.plan.digest(index), []).append(index)
        if not wanted:
            return
        for row in self.output.rows():
            read = self.form.read(row)
            for index in wanted.pop(read.digest, ()) if earlier.is_answer(read) else ():
                before = self.plan.take_before(index)
                self.tally.add_copies(1, failed=read.code is not None)
                self.output.put(index, self.form.copy(row, self.plan.line(index).id, index + 1, before))
                earlier.replace(before)
        self.output.flush()

    def write(self, index: int, name: str | None, request: Request, envelope: Envelope) -> None:
        """Write the rows of the answer to line `index`, whose id is `name`."""
        self.tally.add(envelope)
        if self.results is not None:
            self._finished.append(Finished(index + 1, name, self.plan.digest(index), request, envelope))
        with self._going_on():
            self._put(index, name, envelope)
            if self.plan.twins:
                self._write_twins(index, envelope)

    def give_up(self, index: int, name: str | None, request: Request, envelope: Envelope) -> None:
        """Tell of the failure of a line that gets no row, because the batch was stopped: the call was made."""
        self.tally.add_cost(envelope)
        if self.results is not None:
            self._finished.append(Finished(index + 1, name, self.plan.digest(index), request, envelope))

    def flush(self) -> None:
        """Write the rows, and then tell of their answers, which were paid even if there is no room for rows."""
        try:
            with self._going_on():
                self.output.flush()
        finally:
            if self._finished and self.results is not None:
                finished, self._finished = self._finished, []
                self.results(finished)

    def finish(self, *, ordered: bool = False) -> None:
        """Write the rest of the rows. Raises OutputFailed, also where some found no room before."""
        if self.no_room is not None:
            raise self.no_room
        self.output.finish(ordered=ordered)

    def _put(self, index: int, name: str | None, envelope: Envelope) -> None:
        before = self.plan.take_before(index)
        self.output.put(index, self.form.write(name, index + 1, self.plan.digest(index), envelope, before))
        self.output.earlier.replace(before)

    def _write_twins(self, index: int, envelope: Envelope) -> None:
        """Write the rows of equal lines. Where the lines are not what was checked, a later run copies the row."""
        for twin in self.plan.twins.get(index, ()):
            try:
                own = self.plan.line(twin).id
            except ProviderError as error:
                self.end(error)
                return
            self.tally.add_copies(1, failed=envelope["error"] is not None)
            self._put(twin, own, envelope)

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        """Go on where rows find no room: what is in flight is paid, and has its answer told."""
        try:
            yield
        except OutputFailed as error:
            if self.no_room is None:
                self.no_room = error
                self.end(error)
