"""The order of a call's items: an answer is whole, of one attempt, or a failure that may pass."""

from __future__ import annotations

from typing import Any

import pytest

from theoryctl.errors import ModalUnavailable
from theoryctl.modal.calls import Order
from theoryctl.modal.theoryctl_shim import LEAD


def item(attempt: str, number: int) -> dict[str, Any]:
    return {"attempt": attempt, "number": number, "event": f"{attempt} {number}"}


def taken(order: Order, attempt: str, numbers: range) -> list[str]:
    return [each["event"] for number in numbers for each in order.take(item(attempt, number))]


def test_as_long_as_nothing_of_an_answer_was_seen_the_next_attempt_comes_whole() -> None:
    order = Order()
    taken(order, "first", range(1, LEAD + 1))
    said = taken(order, "second", range(1, LEAD + 4))
    assert [each for each in said if each.startswith(("first", "second"))] == [
        f"second {number}" for number in range(1, LEAD + 4)
    ]
    assert len(said) == LEAD + 4  # a line says that it began anew


@pytest.mark.parametrize("seen", [LEAD + 1, LEAD + 2])
@pytest.mark.parametrize("goes_on", [False, True])
def test_no_part_of_one_answer_is_joined_to_another(seen: int, goes_on: bool) -> None:
    order = Order()
    taken(order, "first", range(1, seen + 1))
    with pytest.raises(ModalUnavailable, match="after a part of its answer"):
        order.take(item("second", seen + 1 if goes_on else 1))


def test_an_item_that_is_missing_ends_the_call() -> None:
    order = Order()
    taken(order, "first", range(1, LEAD + 2))
    with pytest.raises(ModalUnavailable):
        order.take(item("first", LEAD + 3))
