"""The pace of a batch: limits per minute, and what a vendor says of its limits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

import pytest

from theoryctl.batch.pace import MINUTE, Pace


def paced(tokens: float, used: float, late: float, **limits: float) -> list[float]:
    """Begin calls for three minutes, each as soon as it may begin and `late` seconds later; their times.

    The clock is one that a sleep moves: a busy machine is late by as much as is said here.
    """
    times, now = list[float](), 0.0
    pace = Pace(64, clock=lambda: now, **limits)
    while now < 3 * MINUTE:
        if (delay := pace.delay(tokens)) > 0:
            now += delay + late
            continue
        times.append(pace.begin(tokens))
        pace.settle(tokens, used)
    return times


def busiest(times: list[float]) -> int:
    """The most calls within any minute."""
    return max(sum(begin <= other < begin + MINUTE for other in times) for begin in times)


@pytest.mark.parametrize("late", [0.001, 0.01, 1.0])
def test_calls_per_minute_are_kept_within_five_percent(late: float) -> None:
    times = paced(0, 0, late, rpm=200)
    assert busiest(times) <= 210
    assert len(times) >= 0.95 * 3 * 200


@pytest.mark.parametrize("late", [0.001, 0.01, 1.0])
def test_tokens_per_minute_are_kept_within_five_percent_by_what_was_really_used(late: float) -> None:
    times = paced(150, 100, late, tpm=20_000)
    assert busiest(times) * 100 <= 21_000
    assert len(times) * 100 >= 0.95 * 3 * 20_000


@pytest.mark.parametrize("limit", ["rpm", "tpm"])
def test_the_time_to_go_is_that_of_the_limit_from_the_first_calls_on(limit: str) -> None:
    now, calls = 0.0, 400
    pace = Pace(64, rpm=600 if limit == "rpm" else None, tpm=60_000 if limit == "tpm" else None, clock=lambda: now)
    told = []
    for number in range(calls):
        now += pace.delay(150)
        pace.begin(150)
        pace.settle(150, 100)
        told.append((now, *pace.least(calls - number - 1)))
    assert {name for _, _, name in told} == {limit}
    assert all(at + seconds == pytest.approx(now, rel=0.02) for at, seconds, _ in told), told
    assert 35 < now < 41
    assert Pace(64).least(5) == (0.0, None)


def test_calls_that_together_were_too_many_halve_the_number_once() -> None:
    pace = Pace(64)
    began = [pace.begin(0) for _ in range(64)]
    for each in began:
        pace.refused(each, 0.0)
    assert pace.room(0) == 32
    for _ in range(33):
        pace.answered()
    assert pace.room(0) == 33


def test_the_number_never_passes_the_ceiling_and_never_falls_to_none() -> None:
    pace = Pace(2)
    for _ in range(10):
        pace.refused(pace.begin(0), 0.0)
    assert pace.room(0) == 1
    for _ in range(100):
        pace.answered()
    assert pace.room(0) == 2


def test_a_retry_after_is_waited_for() -> None:
    pace = Pace(4)
    pace.refused(pace.begin(0), 7.0)
    assert 6.5 < pace.delay(0) <= 7.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 300),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m2.5s"}, 62.5),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "20ms"}, 0.02),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "12"}, 12),
        ({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "60s"}, 0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "soon"}, 0),
        ({"x-ratelimit-remaining-requests": "none"}, 0),
    ],
)
def test_where_a_vendor_says_that_nothing_is_left_the_reset_is_waited_for(
    headers: Mapping[str, str], seconds: float
) -> None:
    pace = Pace(4)
    pace.heed(headers)
    assert pace.delay(0) == pytest.approx(seconds, abs=0.5 if seconds > 1 else 0.02)


def test_a_reset_may_be_a_time() -> None:
    """As Anthropic writes it (docs.claude.com, rate limits)."""
    pace, then = Pace(4), datetime.now(timezone.utc) + timedelta(seconds=30)
    name = "anthropic-ratelimit-requests"
    pace.heed({f"{name}-remaining": "0", f"{name}-reset": then.isoformat().replace("+00:00", "Z")})
    assert 28 < pace.delay(0) <= 30
