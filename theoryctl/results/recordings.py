"""Results of `theoryctl recordings`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

#: `same` and `changed`: the vendor answered; `stale`: the request is refused today; `failed`: another failure; `kept`:
#: it cannot be asked again; `planned`: it was not asked yet.
Outcome = Literal["same", "changed", "stale", "failed", "kept", "planned"]


@dataclass(frozen=True, slots=True)
class Compared:
    """A recording beside today's answer. `what` says why it is stale, failed or kept; `difference` are lines."""

    file: str
    model: str
    outcome: Outcome
    what: str | None = None
    difference: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordingsCompared:
    """The recordings of a folder, compared or planned to be. `cost_usd` is the most that asking costs, or what it did
    cost; None where nobody knows. `command` asks, and is set where nobody was asked yet."""

    folder: str
    rows: tuple[Compared, ...]
    cost_usd: float | None
    command: str | None = None

    @property
    def exit_status(self) -> int:
        """3 where a recording is stale, 1 where one could not be asked again for another reason."""
        outcomes = {row.outcome for row in self.rows}
        return 3 if "stale" in outcomes else int("failed" in outcomes)

    def document(self) -> dict[str, Any]:
        rows = [
            {
                "file": row.file,
                "model": row.model,
                "outcome": row.outcome,
                "what": row.what,
                "difference": list(row.difference),
            }
            for row in self.rows
        ]
        asked = {"asked": self.command is None, "cost_usd": self.cost_usd}
        return {"schema": "theoryctl.recordings-diff/v1", "folder": self.folder, **asked, "recordings": rows}


@dataclass(frozen=True, slots=True)
class RecordingsPruned:
    """The files of recordings that answered nothing: removed, or planned to be, where `command` removes them."""

    folder: str
    files: tuple[str, ...]
    command: str | None = None
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        removed = self.command is None
        return {
            "schema": "theoryctl.recordings-prune/v1",
            "folder": self.folder,
            "removed": removed,
            "files": [*self.files],
        }
