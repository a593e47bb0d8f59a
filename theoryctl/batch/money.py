"""Money that calls may cost: reserved before a call, and settled after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from theoryctl.errors import MaxCost
from theoryctl.hints import again
from theoryctl.units import dollars
from theoryctl_providers.contract import ProviderError


class Reservation(Protocol):
    """Money that is held for one call."""

    def settle(self, actual: float | None) -> None:
        """Give back what the call did not cost, in US dollars; None: nobody knows, so all of it counts as paid."""
        ...


class Budget(Protocol):
    """A limit on the cost of calls."""

    def reserve(self, usd: float, run_id: str) -> Reservation:
        """Hold the most that a call can cost. Raises MaxCost (`ERR_MAX_COST`) where it is more than is left."""
        ...


@dataclass(slots=True)
class Cap(Budget):
    """A limit for one batch: at most `most` US dollars, of which `spent` were paid before.

    `to_come` returns the most that the lines without a row can cost together, in US dollars.
    """

    most: float
    spent: float = 0.0
    held: float = 0.0
    to_come: Callable[[], float] = lambda: 0.0

    def reserve(self, usd: float, run_id: str) -> Reservation:
        left = self.most - self.spent - self.held
        if usd > left:
            spent = f"{dollars(self.spent)} is spent"
            message = f"--max-cost {dollars(self.most)}: {spent}, and the next call may cost {dollars(usd)}"
            all_of_them = enough(self.spent + max(usd, self.to_come()))
            raise MaxCost(message, hint=again("run it again with a larger --max-cost", max_cost=all_of_them))
        self.held += usd
        return _Held(self, usd)


@dataclass(slots=True)
class _Held(Reservation):
    cap: Cap
    usd: float

    def settle(self, actual: float | None) -> None:
        self.cap.held -= self.usd
        self.cap.spent += self.usd if actual is None else actual


def enough(usd: float) -> str:
    """Return a limit that has room for so many US dollars, as people write it: without an exponent."""
    from decimal import Decimal

    return format(Decimal(f"{usd * 1.01:.3g}"), "f")  # what is rounded is to be enough


class Reservations:
    """The reservations of one call in all budgets that count."""

    __slots__ = ("_held",)

    def __init__(self, held: list[Reservation]) -> None:
        self._held = held

    def settle(self, actual: float | None) -> None:
        """Settle each of them."""
        for each in self._held:
            each.settle(actual)


def reserve_all(budgets: list[Budget], usd: float, run_id: str) -> Reservations:
    """Reserve in each budget, or in none. Raises MaxCost, and ProviderError for a budget that cannot be kept."""
    held: list[Reservation] = []
    try:
        for budget in budgets:
            held.append(budget.reserve(usd, run_id))
    except ProviderError:
        Reservations(held).settle(0.0)
        raise
    return Reservations(held)
