"""The budget of a day: what runs on this machine may cost in all, reserved before each call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from theoryctl.errors import LedgerFailed, MaxCost
from theoryctl.ledger.store import changing, day, opened
from theoryctl.units import dollars

if TYPE_CHECKING:
    from sqlite3 import Connection

    from theoryctl.settings import Settings

#: What was paid and reserved today; a run that reserved counts once.
_SPENT = """
SELECT coalesce((SELECT sum(usd) FROM charges WHERE day = :day), 0)
     + coalesce((SELECT sum(cost_usd) FROM runs
                 WHERE started_at >= :day AND run_id NOT IN (SELECT charge FROM charges) AND mode IS NOT 'mock'), 0)
"""


@dataclass(frozen=True, slots=True)
class DailyBudget:
    """A limit in US dollars for each day (UTC), for all real runs that are made with this state folder.

    It is kept with the ledger off too. What a killed process had reserved counts as paid.
    """

    most: float

    def reserve(self, usd: float, run_id: str) -> Held:
        """Hold money for a run. Raises MaxCost, and LedgerFailed: a budget that cannot be kept is no budget."""
        with opened() as connection, changing(connection):
            left = self.most - _spent(connection)
            if usd > left:
                raise _refusal(usd, left, self.most)
            connection.execute("INSERT OR REPLACE INTO charges VALUES (?, ?, ?)", (run_id, day(), usd))
        return Held(run_id)

    def held(self, run_id: str) -> Held:
        """Return what was reserved before, by whatever process."""
        return Held(run_id)


@dataclass(frozen=True, slots=True)
class Held:
    """Money that is held for one call."""

    run_id: str

    def settle(self, actual: float | None) -> None:
        """Give back what the call did not cost, in US dollars; None: nobody knows, so all of it counts as paid."""
        if actual is None:
            return
        try:
            with opened() as connection, changing(connection):
                connection.execute("UPDATE charges SET usd = ? WHERE charge = ?", (actual, self.run_id))
        except LedgerFailed:
            return  # the call was made: all that was held counts


def budget_of(settings: Settings) -> DailyBudget | None:
    """Return the budget that the settings say; None where they say none. Raises UsageError."""
    found = settings.value("max_cost_per_day")
    return DailyBudget(found.read) if found else None


def _refusal(usd: float, left: float, most: float) -> MaxCost:
    rest = f"{dollars(max(left, 0))} of the {dollars(most)} for {day()} (UTC) is left"
    hint = "set max_tokens to a smaller number, or THEORYCTL_MAX_COST_PER_DAY to a larger one"
    return MaxCost(
        f"expected a run that costs no more than is left, got one that may cost {dollars(usd)}: {rest}", hint=hint
    )


def _spent(connection: Connection) -> float:
    return float(connection.execute(_SPENT, {"day": day()}).fetchone()[0])
