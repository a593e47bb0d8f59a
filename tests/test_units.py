"""Sums of dollars in sentences."""

from __future__ import annotations

import pytest

from theoryctl.units import dollars


@pytest.mark.parametrize(
    ("usd", "text"),
    [(0, "$0"), (2.5, "$2.5"), (1234567.0, "$1234570"), (4.95e-06, "$0.00000495"), (0.1 + 0.2, "$0.3")],
)
def test_a_sum_has_no_exponent(usd: float, text: str) -> None:
    assert dollars(usd) == text
