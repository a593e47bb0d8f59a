"""Calls from Python that are recorded: each a row, whichever way it is made and ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.ledger.conftest import query
from theoryctl.errors import UsageError
from theoryctl.ledger import recording
from theoryctl_providers import ProviderError, arun, astream, run, stream

INPUTS: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture(autouse=True)
def kept(state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Mocks are kept, in a folder of this test."""
    monkeypatch.setenv("THEORYCTL_STATE_DIR", str(state))
    monkeypatch.setenv("THEORYCTL_LEDGER", "mock")
    yield


def found(state: Path) -> list[tuple[Any, ...]]:
    return query(state, "SELECT source, mode, model, code FROM runs ORDER BY started_at")


def test_the_four_functions_are_recorded_inside_and_not_outside(state: Path) -> None:
    async def both() -> None:
        await arun(INPUTS, provider="litellm")
        assert [event async for event in astream(INPUTS, provider="litellm")]

    with recording():
        envelope = run(INPUTS, provider="litellm")
        assert list(stream(INPUTS, provider="litellm"))
        asyncio.run(both())
    run(INPUTS, provider="litellm")
    assert found(state) == [("python", "mock", "openai/gpt-4o-mini", None)] * 4
    assert (envelope["run_id"],) in query(state, "SELECT run_id FROM runs")


def test_a_call_that_fails_is_recorded_with_its_code(state: Path) -> None:
    with recording(), pytest.raises(ProviderError):
        run({"mesages": []}, provider="litellm")
    assert found(state) == [("python", "mock", None, "ERR_INPUTS")]


def test_a_call_that_nobody_waits_for_is_recorded_as_interrupted(state: Path) -> None:
    with recording(), closing(stream(INPUTS, provider="litellm")) as events:
        next(events)
    assert [row[3] for row in found(state)] == ["ERR_INTERRUPTED"]


def test_other_threads_are_not_recorded(state: Path) -> None:
    with recording():
        thread = threading.Thread(target=run, args=(INPUTS,))
        thread.start()
        thread.join()
    assert not (state / "ledger.db").exists()


def test_a_ledger_that_cannot_be_written_warns_and_fails_no_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("THEORYCTL_STATE_DIR", str(tmp_path / "file" / "state"))
    with recording(), pytest.warns(RuntimeWarning, match="not in the ledger"):
        assert run(INPUTS)["status"] == "success"


def test_settings_that_say_nothing_sensible_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THEORYCTL_LEDGER", "everything")
    with pytest.raises(UsageError, match="expected off"), recording():
        pytest.fail("it began")
