"""The result of one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from theoryctl.errors import exit_status

if TYPE_CHECKING:
    from theoryctl_providers.contract import Envelope


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run, failed or not."""

    envelope: Envelope
    #: A command that makes the next run of this kind faster; None where there is none.
    faster: str | None = None

    def document(self) -> dict[str, Any]:
        return dict(self.envelope)

    @property
    def exit_status(self) -> int:
        return exit_status(self.envelope["error"])
