"""Rows that nobody ran."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from unittest.mock import patch

from theoryctl.ledger.recorder import record
from theoryctl.ledger.row import Row
from theoryctl_providers.contract import VERSION


def row(day: str = "2026-01-01", model: str = "a/x", cost: float | None = 0.5, **more: object) -> Row:
    """A row as a run leaves it."""
    facts: dict[str, object] = {
        "run_id": f"run_{os.urandom(16).hex()}",
        "started_at": f"{day}T10:00:00.000Z",
        "source": "run",
        "ref": "llm/litellm@1",
        "mode": "real",
        "runtime": "embedded",
        "model": model,
        "answered": model.partition("/")[2],
        "input_tokens": 10,
        "output_tokens": 20,
        "cost_usd": cost,
        "duration_ms": 812,
        "inputs_digest": f"hmac-sha256:{os.urandom(32).hex()}",
        "outputs_digest": f"hmac-sha256:{os.urandom(32).hex()}",
        "branch": "main",
        "version": VERSION,
    }
    return Row(**{**facts, **more})


def fill(state: Path, facts: Iterable[tuple[str, str, float | None]]) -> None:
    """Write rows by day, model and cost into the ledger of a folder."""
    write(state, [row(*each) for each in facts])


def write(state: Path, rows: list[Row]) -> None:
    """Write rows into the ledger of a folder."""
    with patch.dict(os.environ, THEORYCTL_STATE_DIR=str(state)):
        assert record(rows) is None
