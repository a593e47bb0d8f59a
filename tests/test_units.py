"""Sums of dollars in sentences."""

from __future__ import annotations

import pytest

from theoryctl.units import dollars, most_dollars, near_number


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (0, "$0"),
        (2.5, "$2.5"),
        (1234567.0, "$1234567"),
        (0.0196875, "$0.0196875"),
        (0.00074999999999, "$0.00075"),
        (4.95e-06, "$0.00000495"),
        (0.1 + 0.2, "$0.3"),
    ],
)
def test_a_sum_has_no_exponent(usd: float, text: str) -> None:
    assert dollars(usd) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [(0.01968752, "$0.0196876"), (0.0196875, "$0.0196875"), (2.0000001, "$2.000001"), (0.1 + 0.2, "$0.3"), (0, "$0")],
)
def test_the_most_that_something_costs_is_never_rounded_down(usd: float, text: str) -> None:
    assert most_dollars(usd) == f"at most {text}"


@pytest.mark.parametrize("usd", [1e23, 1e308, float("inf"), float("nan")])
def test_a_sum_of_any_size_can_be_shown(usd: float) -> None:
    assert dollars(usd).startswith("$")


@pytest.mark.parametrize(
    ("text", "meant"),
    [("1 min", "1m"), ("90sec", "90s"), ("5 Minutes", "5m"), ("$2.50", "2.50"), ("2 dollars", "2"), ("3 days", "3d")],
)
def test_a_number_with_another_spelling_of_its_unit_is_found(text: str, meant: str) -> None:
    assert near_number(text) == meant


@pytest.mark.parametrize("text", ["500ms", "1 month", "1,000", "2,50", "-5", "1h30m", "$1.5k", ""])
def test_no_number_is_made_of_a_text_that_may_mean_another(text: str) -> None:
    assert near_number(text) is None
