"""Results of `theoryctl doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from theoryctl_providers.contract import ERRORS


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault: `what` it is, `why` it matters, and the one `command` that ends it.

    `code` is that of the error which it leads to; None for advice, without which everything works.
    """

    what: str
    why: str
    command: str
    code: str | None = None

    def row(self) -> dict[str, Any]:
        """The finding as JSON."""
        severity = "error" if self.code else "advice"
        return {"severity": severity, "code": self.code, "what": self.what, "why": self.why, "command": self.command}


@dataclass(frozen=True, slots=True)
class Checked:
    """A part of the machine: its `summary` on one line, and the findings in it."""

    part: str
    summary: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Examined:
    """The parts of this machine, each with its findings."""

    parts: tuple[Checked, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of all parts."""
        return tuple(finding for part in self.parts for finding in part.findings)

    @property
    def exit_status(self) -> int:
        """The highest exit status of the findings' codes; 0 where there is no error among them."""
        return max((ERRORS[finding.code].exit_status for finding in self.findings if finding.code), default=0)

    def document(self) -> dict[str, Any]:
        parts = [{"part": part.part, "summary": part.summary} for part in self.parts]
        found = [{"part": part.part, **finding.row()} for part in self.parts for finding in part.findings]
        return {"schema": "theoryctl.doctor/v1", "healthy": self.exit_status == 0, "parts": parts, "findings": found}
