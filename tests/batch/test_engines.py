"""Engines of one's own in a batch: what they answer in which order, fail with, and are asked again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.batch.rows import ask, read_rows, write_lines
from tests.conftest import REF
from tests.real.conftest import LITELLM_WARNINGS
from theoryctl.batch.engine import Done, Engine, Job
from theoryctl.batch.engines import asked
from theoryctl.batch.failures import Failures
from theoryctl.batch.output import Output, OutputFile
from theoryctl.batch.pace import Pace
from theoryctl.batch.plan import Plan, Planner
from theoryctl.batch.requests import RequestMaker, check_here
from theoryctl.batch.rows import OurRows
from theoryctl.batch.run import Batch
from theoryctl.batch.source import open_source
from theoryctl.batch.stream import OutputStream
from theoryctl.batch.tally import Tally
from theoryctl.errors import OutputFailed
from theoryctl.requests.failure import failure_envelope
from theoryctl.requests.standard_input import StandardInput
from theoryctl.runtimes.embedded import EmbeddedSession
from theoryctl_providers.contract import ProviderConfig, ProviderError, Stopwatch

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("here")]

#: A session with the provider in this process.
HERE = EmbeddedSession((), "")


class Backwards:
    """An engine that collects what it is given, as a vendor's own batches do, and answers the last line first."""

    where = "nowhere"

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.most = 0

    def start(self, jobs: Sequence[Job]) -> None:
        self.jobs.extend(jobs)
        self.most = max(self.most, len(self.jobs))

    def finished(self, seconds: float) -> list[Done]:
        return [asked(HERE, self.jobs.pop())] if self.jobs else []

    def close(self) -> None:
        pass


def running(
    engine: Engine, output: Output, texts: Sequence[str], *, ordered: bool = False, finishes: bool = True
) -> Batch:
    """A batch through an engine of one's own, which has run."""
    source = open_source(str(write_lines(Path("lines.jsonl"), map(ask, texts))), StandardInput())
    config, pace = ProviderConfig(provider="litellm", ref=REF), Pace(8)
    with source:
        maker = RequestMaker(config=config, mode="mock", folder=".", max_attachment=1)
        plan = Planner(plan=Plan(source, maker), check=check_here(config), earlier=output.earlier).made()
        found = Batch(
            plan=plan,
            engine=engine,
            output=output,
            form=OurRows(),
            pace=pace,
            failures=Failures(pace, len(texts), first_pause=0.001),
            tally=Tally(asked=plan.asked),
            finishes=finishes,
        )
        found.run(ordered=ordered)
    return found


def test_an_engine_answers_in_any_order_and_has_a_window_of_lines_at_a_time() -> None:
    engine = Backwards()
    with OutputFile("rows.jsonl", OurRows()) as file:
        found = running(engine, file, list(map(str, range(20))), ordered=True)
    assert (found.error, found.tally.ok, engine.most) == (None, 20, 8)
    assert [row["line"] for row in read_rows(Path("rows.jsonl"))] == list(range(1, 21))


class InGroups(Backwards):
    """An engine that answers all that it has at once, the last line first."""

    def finished(self, seconds: float) -> list[Done]:
        return [done for _ in self.jobs[:] for done in super(InGroups, self).finished(seconds)]


def test_a_stream_gets_each_row_when_it_is_its_turn() -> None:
    written: list[bytes] = []
    with OutputStream(written.append, range(20)) as stream:
        found = running(InGroups(), stream, list(map(str, range(20))), ordered=True)
    assert found.tally.ok == 20
    assert [json.loads(row)["line"] for row in b"".join(written).splitlines()] == list(range(1, 21))
    assert len(written) == 3


@pytest.mark.parametrize(("finishes", "left"), [(True, 0), (False, 7)])
def test_calls_that_a_later_run_can_take_are_left_where_rows_find_no_room(finishes: bool, left: int) -> None:
    def full(_: bytes) -> None:
        raise OutputFailed("no space left on the device", hint="free some space")

    engine = Backwards()
    with OutputStream(full) as stream, pytest.raises(OutputFailed):
        running(engine, stream, list(map(str, range(20))), finishes=finishes)
    assert len(engine.jobs) == left


def failed(job: Job, error: ProviderError, retry_after: float | None = None) -> Done:
    """A failure of a vendor, which is asked in real mode alone."""
    envelope = failure_envelope(job.request, Stopwatch(), "openai/x", error)
    return Done(job, {**envelope, "mode": "real"}, retry_after)


class Down(Backwards):
    """An engine whose vendor nobody reaches."""

    def finished(self, seconds: float) -> list[Done]:
        jobs, self.jobs = self.jobs, []
        error = ProviderError("ERR_UNREACHABLE", "no connection to openai", hint="wait, then run it again")
        return [failed(job, error) for job in jobs]


def test_a_vendor_that_is_down_ends_the_batch_and_no_line_is_burnt() -> None:
    with OutputFile("rows.jsonl", OurRows()) as file:
        found = running(Down(), file, list(map(str, range(100))))
    assert (found.tally.done, found.tally.failures) == (0, 0)
    assert found.error is not None
    assert "the batch was stopped early: openai answered none of the last" in found.error.message
    assert found.error.hint == "wait, then: run it again"
    assert not Path("rows.jsonl").exists()


class Unreached(Backwards):
    """An engine whose vendor is not reached by line 0, and between its tries answers a line that began after one."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.begun_at_failure, self.answered = -1, -1, 0

    def start(self, jobs: Sequence[Job]) -> None:
        super().start(jobs)
        self.begun = max(self.begun, *(job.number for job in jobs))

    def finished(self, seconds: float) -> list[Done]:
        self.jobs.sort(key=lambda job: job.number)
        if self.jobs[0].number != 0 or (self.answered <= self.begun_at_failure and len(self.jobs) > 1):
            self.answered = self.jobs[-1].number
            return super().finished(seconds)
        self.begun_at_failure = self.begun
        error = ProviderError("ERR_UNREACHABLE", "no connection to openai")
        job = self.jobs.pop(0)
        return [failed(job, error)]


def test_a_line_that_alone_fails_is_asked_three_times() -> None:
    with OutputFile("rows.jsonl", OurRows()) as file:
        found = running(Unreached(), file, list(map(str, range(100))))
    assert (found.error, found.tally.ok, found.tally.retried) == (None, 99, 2)
    assert found.tally.failed == {"ERR_UNREACHABLE": 1}


class Breaking(Backwards):
    """An engine whose vendor breaks with a code on lines that say so, and answers all others."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self.code, self.calls = code, 0

    def finished(self, seconds: float) -> list[Done]:
        jobs, self.jobs = self.jobs, []
        return [self._broken(job) if "break" in str(job.request.inputs) else asked(HERE, job) for job in jobs]

    def _broken(self, job: Job) -> Done:
        self.calls += 1
        error = ProviderError(self.code, "openai answered 500")
        return failed(job, error, retry_after=0.001)


@pytest.mark.parametrize("at", [0, 9])
@pytest.mark.parametrize("code", ["ERR_UNAVAILABLE", "ERR_TIMEOUT", "ERR_RATE_LIMITED"])
def test_a_last_line_that_always_fails_gets_its_row(code: str, at: int) -> None:
    engine, texts = Breaking(code), [f"say {number}" for number in range(10)]
    texts[at] = "break"
    with OutputFile("rows.jsonl", OurRows()) as file:
        found = running(engine, file, texts)
    assert (found.error, found.tally.ok, found.tally.failed) == (None, 9, {code: 1})
    assert engine.calls <= 20


@pytest.mark.parametrize("code", ["ERR_UNAVAILABLE", "ERR_TIMEOUT", "ERR_RATE_LIMITED"])
def test_a_last_line_that_always_fails_gets_its_row_where_an_earlier_run_has_answered_the_others(code: str) -> None:
    texts = [f"say {number}" for number in range(4)]
    with OutputFile("rows.jsonl", OurRows()) as file:
        assert running(Backwards(), file, texts).tally.ok == 4
    engine = Breaking(code)
    with OutputFile("rows.jsonl", OurRows()) as file:
        found = running(engine, file, [*texts, "break"])
    assert (found.error, found.tally.ok, found.tally.failed) == (None, 0, {code: 1})
    assert engine.calls <= 20


def test_a_vendor_that_has_answered_no_line_burns_none_however_few_there_are() -> None:
    for texts in (["break 1"], ["break 1", "break 2"]):
        with OutputFile("rows.jsonl", OurRows()) as file:
            assert running(Breaking("ERR_UNAVAILABLE"), file, texts).error is not None
        assert not Path("rows.jsonl").exists()


def test_several_last_lines_that_always_fail_get_their_rows_each_after_three_tries() -> None:
    engine = Breaking("ERR_UNAVAILABLE")
    with OutputFile("rows.jsonl", OurRows()) as file:
        found = running(engine, file, ["say 1", "say 2", "break 3", "break 4", "break 5"])
    assert (found.error, found.tally.ok, found.tally.failures) == (None, 2, 3)
    assert engine.calls >= 9


def test_a_vendor_that_breaks_before_all_lines_were_asked_ends_the_batch() -> None:
    with OutputFile("rows.jsonl", OurRows()) as file:
        found = running(Breaking("ERR_UNAVAILABLE"), file, ["say 1", *(f"break {number}" for number in range(50))])
    assert found.error is not None
    assert (found.tally.ok, found.tally.failures) == (1, 0)


class Meddling(Backwards):
    """An engine during whose work somebody writes into the lines."""

    def finished(self, seconds: float) -> list[Done]:
        with Path("lines.jsonl").open("a") as file:
            file.write("{}\n")
        return super().finished(seconds)


def test_lines_that_are_changed_meanwhile_end_the_batch_once_what_is_in_flight_has_its_rows() -> None:
    with OutputFile("rows.jsonl", OurRows()) as file:
        found = running(Meddling(), file, list(map(str, range(20))))
    assert found.error is not None
    assert found.error.message.endswith("lines.jsonl was changed while it was read")
    assert found.tally.ok == len(read_rows(Path("rows.jsonl"))) == 8


def test_equal_lines_that_are_changed_meanwhile_lose_no_answer() -> None:
    with OutputFile("rows.jsonl", OurRows()) as file:
        found = running(Meddling(), file, ["same", "other", "same"])
    assert found.error is not None
    assert found.error.message.endswith("lines.jsonl was changed while it was read")
    assert [row["line"] for row in read_rows(Path("rows.jsonl"))] == [2, 1]
