"""Sums of dollars in sentences."""

from __future__ import annotations

import pytest

from theoryctl.units import dollars, most_dollars


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
