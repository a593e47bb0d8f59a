"""Failures of a batch's calls: which are asked again, which wait for others, and when a vendor is given up."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from theoryctl.batch.failures import FIRST_PAUSE, Failures, Verdict
from theoryctl.batch.pace import Pace
from theoryctl.hints import Hint, command
from theoryctl_providers.contract import ERRORS, ErrorInfo

#: Failures by what they say: too many calls, a vendor that is away, an account that no call gets past.
LIMITED = ["ERR_RATE_LIMITED", "ERR_OVERLOADED"]
DOWN = ["ERR_UNREACHABLE", "ERR_UNAVAILABLE", "ERR_NOT_RUNNING", "ERR_MODAL_UNAVAILABLE"]
ACCOUNT = ["ERR_AUTH", "ERR_PERMISSION", "ERR_QUOTA", "ERR_MISSING_SECRET", "ERR_TOKEN"]


@dataclass
class Batch:
    """The failures of a batch of so many lines, by a clock that stands still unless it is moved."""

    lines: int = 10
    now: float = 0.0
    vendor: str = "openai"
    failures: Failures = field(init=False)

    def __post_init__(self) -> None:
        pace = Pace(64, clock=lambda: self.now)
        self.failures = Failures(pace, self.lines, clock=lambda: self.now)

    def fails(
        self, code: str, tries: int = 1, *, began: float | None = None, after: float | None = None, **parts: object
    ) -> Verdict:
        """Judge a call that began now, or then, and has failed."""
        error: ErrorInfo = {"code": code, "message": "so it is", "hint": None, "retryable": ERRORS[code].retryable}
        error.update(parts)  # type: ignore[typeddict-item]
        return self.failures.judge(self.vendor, error, tries, self.now if began is None else began, after)

    def answers(self, vendor: str = "openai", *, began: float | None = None) -> None:
        self.failures.answered(vendor, self.now if began is None else began)

    def rounds_until_given_up(self, code: str) -> int | None:
        """Fail 3 calls of other lines each second; the number of rounds."""
        for number in range(1, 51):
            for _ in range(3):
                self.fails(code, began=self.now - 0.5)
            if self.failures.stop:
                return number
            self.now += 1
        return None

    @property
    def pause(self) -> float:
        return self.failures.pace.delay(0)


@pytest.fixture
def batch() -> Batch:
    return Batch()


@pytest.mark.parametrize("code", LIMITED)
def test_a_refusal_for_too_many_calls_is_asked_again_twenty_times_and_then_held(batch: Batch, code: str) -> None:
    assert batch.fails(code, 19) is Verdict.AGAIN
    assert batch.fails(code, 20) is Verdict.HELD


def test_a_refusal_for_too_many_calls_slows_the_batch_and_waits_as_long_as_the_vendor_says(batch: Batch) -> None:
    batch.fails("ERR_RATE_LIMITED", after=7.0)
    assert (batch.failures.pace.room(0), batch.pause) == (32, 7.0)
    batch.answers()
    assert batch.failures.pace.room(0) == 32
    for _ in range(32):
        batch.answers()
    assert batch.failures.pace.room(0) == 33


@pytest.mark.parametrize("code", DOWN)
def test_a_failure_that_may_pass_is_asked_again_twice_and_then_held(code: str) -> None:
    assert [Batch().fails(code, tries) for tries in (1, 2, 3)] == [Verdict.AGAIN, Verdict.AGAIN, Verdict.HELD]


def test_a_failure_that_the_vendor_says_not_to_repeat_is_held(batch: Batch) -> None:
    assert batch.fails("ERR_UNAVAILABLE", retryable=False) is Verdict.HELD


@pytest.mark.parametrize(("lines", "retries"), [(10, 100), (499, 100), (1000, 200)])
def test_a_batch_asks_again_a_fifth_of_its_lines_and_a_hundred_at_least(lines: int, retries: int) -> None:
    batch, again = Batch(lines), 0
    while again < 1000 and batch.fails("ERR_UNAVAILABLE") is Verdict.AGAIN:
        again += 1
        batch.answers()
    assert again == retries


def test_a_vendor_that_is_down_is_paused_for_from_the_second_round_on_and_twice_as_long_each_time(
    batch: Batch,
) -> None:
    pauses = []
    for _ in range(4):
        batch.fails("ERR_UNREACHABLE", began=batch.now)
        pauses.append(batch.pause)
        batch.now += batch.pause + 1
    assert pauses == [0, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE, 8 * FIRST_PAUSE]
    assert FIRST_PAUSE == 0.5


def test_a_vendor_that_is_down_and_says_how_long_is_waited_for(batch: Batch) -> None:
    batch.fails("ERR_UNAVAILABLE")
    batch.now += 1
    batch.fails("ERR_UNAVAILABLE", after=9.0)
    assert batch.pause == 9.0


def test_while_nobody_is_answered_the_rounds_count_and_not_the_tries_of_a_line(batch: Batch) -> None:
    for _ in range(2):
        batch.fails("ERR_UNREACHABLE")
        batch.now += 1
    assert batch.fails("ERR_UNREACHABLE", 3) is Verdict.AGAIN
    batch.failures.all_asked = True
    assert batch.fails("ERR_UNREACHABLE", 3) is Verdict.HELD


@pytest.mark.parametrize("code", DOWN)
def test_a_line_that_fails_again_and_again_is_one_round(batch: Batch, code: str) -> None:
    for tries in range(1, 21):
        batch.fails(code, tries)
        batch.now += 1
    assert (batch.failures.stop, batch.pause) == (None, 0.0)


@pytest.mark.parametrize(
    ("code", "rounds"),
    [*((code, 10) for code in LIMITED), *((code, 5) for code in DOWN), ("ERR_TIMEOUT", 5), ("ERR_INPUTS", None)],
)
def test_a_vendor_is_given_up_after_rounds_without_an_answer(batch: Batch, code: str, rounds: int | None) -> None:
    assert batch.rounds_until_given_up(code) == rounds


def test_calls_that_were_under_way_at_the_same_time_are_one_round(batch: Batch) -> None:
    for _ in range(300):
        batch.fails("ERR_UNREACHABLE", began=-1.0)
    assert batch.failures.stop is None
    for _ in range(4):
        batch.now += 1
        batch.fails("ERR_UNREACHABLE")
    assert batch.failures.stop is not None
    assert batch.failures.stop.code == "ERR_UNREACHABLE"
    assert "openai answered none of the last 304 calls; the last failure: so it is" in str(batch.failures.stop)


@pytest.mark.parametrize("code", ACCOUNT)
def test_an_account_that_is_refused_three_times_in_a_row_ends_the_batch(batch: Batch, code: str) -> None:
    for _ in range(2):
        assert batch.fails(code) is Verdict.HELD
    assert batch.failures.stop is None
    assert batch.fails(code) is Verdict.HELD
    assert batch.failures.stop is not None
    assert (batch.failures.stop.code, "openai refused 3 calls in a row" in str(batch.failures.stop)) == (code, True)


@pytest.mark.parametrize("code", ["ERR_AUTH", "ERR_UNAVAILABLE", "ERR_TIMEOUT"])
def test_an_answer_in_between_keeps_the_batch_going(batch: Batch, code: str) -> None:
    for _ in range(20):
        batch.fails(code)
        batch.answers()
        batch.now += 1
    assert batch.failures.stop is None


def test_an_answer_of_another_vendor_proves_nothing(batch: Batch) -> None:
    for number in range(3):
        batch.vendor = "anthropic"
        batch.fails("ERR_TIMEOUT", began=batch.now)
        batch.vendor = "openai"
        batch.fails("ERR_AUTH")
        batch.answers("anthropic")
        assert (batch.failures.stop is None) is (number < 2)


def test_an_answer_that_was_under_way_before_proves_nothing(batch: Batch) -> None:
    for _ in range(3):
        batch.now += 1
        batch.fails("ERR_AUTH")
        batch.answers(began=batch.now - 0.1)
    assert batch.failures.stop is not None


def test_the_first_reason_to_end_a_batch_stays(batch: Batch) -> None:
    for code in ["ERR_AUTH"] * 3 + ["ERR_QUOTA"]:
        batch.fails(code)
    assert batch.failures.stop is not None
    assert batch.failures.stop.code == "ERR_AUTH"


def test_a_provider_without_a_vendor_is_given_up_by_that_word() -> None:
    batch = Batch(vendor="")
    batch.rounds_until_given_up("ERR_UNREACHABLE")
    assert "the provider answered none" in str(batch.failures.stop)


@pytest.mark.parametrize(
    ("hint", "shown"),
    [
        (None, "wait until it answers, then: run it again"),
        ("set a key", "set a key, then: run it again"),
        ("wait, then run it again", "wait, then: run it again"),
        (command("local start", ref="a/b@1"), "theoryctl local start --ref a/b@1 && run it again"),
    ],
)
def test_the_hint_of_a_given_up_vendor_is_that_of_its_failure_and_to_run_the_batch_again(
    batch: Batch, hint: str | None, shown: str
) -> None:
    for _ in range(3):
        batch.fails("ERR_AUTH", hint=hint)
    assert batch.failures.stop is not None
    told = batch.failures.stop.hint
    assert isinstance(told, Hint)
    assert (told, told.steps[-1].path) == (shown, "")


@pytest.mark.parametrize("code", ["ERR_BAD_RESPONSE", "ERR_INPUTS", "ERR_CONTENT_POLICY", "ERR_CONTEXT_EXCEEDED"])
def test_what_was_billed_or_cannot_pass_is_never_asked_again(batch: Batch, code: str) -> None:
    assert batch.fails(code) is Verdict.FINAL


def test_a_timeout_is_not_asked_again_but_held_until_the_vendor_answers_another(batch: Batch) -> None:
    assert batch.fails("ERR_TIMEOUT") is Verdict.HELD
