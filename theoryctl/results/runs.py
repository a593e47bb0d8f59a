"""Results of the commands of `theoryctl runs`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from theoryctl.ledger.content import Content
from theoryctl.ledger.queries import Costs
from theoryctl.ledger.row import Row

SCHEMA = "theoryctl.runs/v1"


@dataclass(frozen=True, slots=True)
class RunList:
    """The newest of the runs that were meant, which are `total` in all; `empty` tells that the ledger has none."""

    rows: tuple[Row, ...]
    total: int
    empty: bool = False
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        return {"schema": SCHEMA, "total": self.total, "runs": [row.document() for row in self.rows]}


@dataclass(frozen=True, slots=True)
class RunShown:
    """One run, with its content where that was kept."""

    row: Row
    content: Content | None
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        run = {**self.row.document(), "content": self.content and content_document(self.content)}
        return {"schema": SCHEMA, "total": 1, "runs": [run]}


@dataclass(frozen=True, slots=True)
class CostRow:
    """The sums of one group of runs; `group` has the values of what they are grouped by."""

    group: tuple[str | None, ...]
    costs: Costs


@dataclass(frozen=True, slots=True)
class CostsShown:
    """The sums of runs by `by`, and of all of them; `empty` tells that the ledger has no run."""

    by: tuple[str, ...]
    rows: tuple[CostRow, ...]
    total: Costs
    empty: bool = False
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        rows = [{**dict(zip(self.by, row.group, strict=True)), **asdict(row.costs)} for row in self.rows]
        return {"schema": "theoryctl.runs-cost/v1", "by": list(self.by), "costs": rows, "total": asdict(self.total)}


@dataclass(frozen=True, slots=True)
class RunsCompared:
    """Two runs: the columns that differ, with both values, and the lines that differ where both have content."""

    one: Row
    other: Row
    fields: tuple[tuple[str, Any, Any], ...]
    lines: tuple[str, ...] | None
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        differ = {name: [one, other] for name, one, other in self.fields}
        same = {
            f"same_{part}": _same(getattr(self.one, f"{part}_digest"), getattr(self.other, f"{part}_digest"))
            for part in ("inputs", "outputs")
        }
        runs = [self.one.run_id, self.other.run_id]
        lines = None if self.lines is None else list(self.lines)
        return {"schema": "theoryctl.runs-diff/v1", "runs": runs, "fields": differ, **same, "lines": lines}


@dataclass(frozen=True, slots=True)
class ReportWritten:
    """A report that was written: its file, the number of runs that it is about, and its bytes."""

    file: str
    runs: int
    size: int
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        return {"schema": "theoryctl.runs-report/v1", "file": self.file, "runs": self.runs, "size": self.size}


@dataclass(frozen=True, slots=True)
class RunsForgotten:
    """The number of runs that were removed from the ledger, and of those that are left."""

    forgotten: int
    left: int
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        return {"schema": "theoryctl.runs-pruned/v1", "forgotten": self.forgotten, "left": self.left}


@dataclass(frozen=True, slots=True)
class LedgerPath:
    """The path of the ledger's file, which is made by the first run."""

    path: str
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        return {"schema": "theoryctl.runs-path/v1", "path": self.path}


def _same(one: str | None, other: str | None) -> bool | None:
    return None if one is None or other is None else one == other


def content_document(content: Content) -> dict[str, Any]:
    """The content of a run as JSON."""
    return {
        "inputs": json.loads(content.inputs),
        "outputs": json.loads(content.outputs),
        "answers": content.answers and json.loads(content.answers),
        "redacted": content.redacted,
        "attached": content.attached,
    }
