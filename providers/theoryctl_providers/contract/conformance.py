"""The report of a provider that was held against the rules for providers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

CONFORMANCE_SCHEMA = "theoryctl.conformance/v1"

Outcome = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Check:
    """One rule: its name, whether it holds, and why it does not, or why it was not looked at."""

    name: str
    outcome: Outcome
    reason: str = ""

    def line(self) -> str:
        """The check in one line for people."""
        return f"{self.outcome:8} {self.name}{': ' if self.reason else ''}{self.reason}"


@dataclass(frozen=True, slots=True)
class Report:
    """The checks of one provider, in the order in which they were made."""

    provider: str
    checks: tuple[Check, ...]

    @property
    def conforms(self) -> bool:
        """True where no check failed."""
        return all(check.outcome != "failed" for check in self.checks)

    def document(self) -> dict[str, Any]:
        """The report as JSON, `theoryctl.conformance/v1`."""
        rows = [{"name": check.name, "outcome": check.outcome, "reason": check.reason} for check in self.checks]
        facts = {"schema": CONFORMANCE_SCHEMA, "provider": self.provider, "conforms": self.conforms}
        return {**facts, "checks": rows}

    def lines(self) -> Iterator[str]:
        """A line for each check."""
        return (check.line() for check in self.checks)
