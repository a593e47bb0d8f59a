"""The pace of scripted answers, and faults that strike now and then."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest

from tests.mocks.scripted import HI, answers, code_of, events, said, script
from theoryctl_providers import ProviderConfig, Request, execute
from theoryctl_providers.authored.script_rules import without_effect
from theoryctl_providers.contract import Delta, Script

TEXT = "one two three four five six"


def arrivals(told: Script) -> tuple[list[float], str]:
    """The seconds at which the pieces come, and the text."""

    async def listened() -> tuple[list[float], str]:
        begun, times, text = time.monotonic(), [], ""
        request = Request(config=ProviderConfig(provider="mock", script=told), inputs=HI, mode="mock")
        async for event in execute(request):
            if isinstance(event, Delta):
                times.append(time.monotonic() - begun)
                text += event.text or ""
        return times, text

    return asyncio.run(listened())


def test_a_stream_begins_after_its_ttft_and_keeps_its_rate() -> None:
    times, text = arrivals(script(answers({"text": TEXT, "ttft": 0.2, "tokens_per_second": 50})))
    assert text == TEXT and len(times) == 6
    # Both are times since the request: a piece that comes late is no nearer to the next one than it should be.
    assert times[0] >= 0.2
    assert times[-1] >= 0.2 + 5 / 50
    assert all(later >= earlier for earlier, later in pairwise(times))


def test_a_high_rate_is_kept_on_the_whole_though_a_sleep_takes_longer_than_a_token() -> None:
    told = script(answers({"text": "a " * 400, "tokens_per_second": 4000}))
    tries = [arrivals(told)[0] for _ in range(3)]  # a machine that is busy for a moment makes one of them longer
    assert {len(times) for times in tries} == {401}
    assert 400 / 4000 <= min(times[-1] for times in tries) < 0.35


def test_the_pace_changes_no_byte() -> None:
    assert (
        events(HI, script(answers({"text": TEXT, "tokens_per_second": 1000})))[1:-1]
        == (events(HI, script(answers({"text": TEXT})))[1:-1])
    )


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"text": "a", "delay": 1, "ttft": 1}, "ttft: expected ttft or delay"),
        (
            {"chunks": [{"text": "a", "delay": 1}], "tokens_per_second": 9},
            "tokens_per_second: expected it, or chunks with delays, got both",
        ),
        ({"text": "a", "tokens_per_second": 0}, "tokens_per_second: expected more than 0, got 0"),
        ({"text": "a", "fault": {"probability": 2}}, "probability: expected at most 1, got 2"),
        ({"text": "a", "fault": {"after": 10**20}}, "after: expected at most 9007199254740991, got 1"),
    ],
)
def test_a_pace_that_contradicts_itself_is_refused(told: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        script(answers(told))


def outcomes(told: Script, number: int = 40) -> list[str]:
    return [code_of(events(HI, told)[-1]) or "ok" for _ in range(number)]


FLAKY = {"text": "ok", "fault": {"status": 429, "probability": 0.25}}


def test_a_fault_by_probability_strikes_the_same_answers_in_each_run() -> None:
    first = outcomes(script(answers(FLAKY)))
    assert first == outcomes(script(answers(FLAKY)))
    assert 4 <= first.count("ERR_RATE_LIMITED") <= 16
    assert set(first) == {"ok", "ERR_RATE_LIMITED"}


def test_another_seed_strikes_others() -> None:
    assert outcomes(script(answers(FLAKY))) != outcomes(script(answers(FLAKY), seed=1))


@pytest.mark.parametrize(("probability", "expected"), [(0, {"ok"}), (1, {"ERR_RATE_LIMITED"})])
def test_a_fault_without_a_chance_never_strikes_and_a_sure_one_always(probability: int, expected: set[str]) -> None:
    told = {"text": "ok", "fault": {"status": 429, "probability": probability}}
    assert set(outcomes(script(answers(told)), 10)) == expected


def test_where_there_is_nothing_but_a_fault_that_does_not_strike_the_rules_below_answer() -> None:
    chaos = answers({"fault": {"status": 500, "probability": 0.5}})
    found = outcomes(script(chaos, answers({"text": "below"})), 20)
    assert set(found) == {"ok", "ERR_UNAVAILABLE"}
    assert said(HI, script(answers({"fault": {"probability": 0}}), answers({"text": "below"}))) == "below"


@pytest.mark.parametrize("pace", [{"ttft": 0.01}, {"delay": 0.01}, {"usage": {"input_tokens": 1}}], ids=str)
def test_a_pace_beside_a_fault_that_does_not_strike_is_no_answer(pace: dict[str, object]) -> None:
    chaos = answers({**pace, "fault": {"status": 429, "probability": 0}})
    told = script(chaos, answers({"text": "below"}))
    assert said(HI, told) == "below"
    assert list(without_effect(told.document)) == []
