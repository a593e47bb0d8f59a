"""Batches as they are kept: paid within the budget of the day, and written into the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from theoryctl.settings import Settings
from theoryctl_providers.contract import is_mock

if TYPE_CHECKING:
    from theoryctl.actions.batch_plan import Listener
    from theoryctl.batch.answers import Finished
    from theoryctl.ledger.group import GroupRecorder


def keeping(listener: Listener, mode: str, answers: Mapping[str, Any], opened: ExitStack) -> Listener:
    """Return a listener that writes the answers into the ledger too, and counts the budget of the day, as the settings
    say. `answers` are the paths that mock mode answers from, by flag; `opened` closes the ledger. Raises UsageError."""
    settings = Settings()
    if is_mock(mode) and settings.value("ledger") is None:
        return listener
    from theoryctl.ledger.budget import budget_of
    from theoryctl.ledger.group import GroupRecorder
    from theoryctl.ledger.recorder import policy_of

    policy, budget = policy_of(settings), None if is_mock(mode) else budget_of(settings)
    if policy.keeps(mode):
        recorder = GroupRecorder(policy, "batch", answers)
        results = _Results(listener, recorder)
        opened.callback(results.close)
        listener = replace(listener, results=results)
    return listener if budget is None else replace(listener, budgets=(*listener.budgets, budget))


class _Results:
    """Hears of answers, and says at first, and at the end, where they cannot be written."""

    def __init__(self, listener: Listener, recorder: GroupRecorder) -> None:
        self._listener, self._recorder = listener, recorder
        self._told: str | None = None

    def __call__(self, group: Sequence[Finished]) -> None:
        note = self._recorder.write((each.request, each.envelope) for each in group)
        if self._told is None:
            self._tell(note)
        if self._listener.results is not None:
            self._listener.results(group)

    def close(self) -> None:
        """Write the rows that wait."""
        self._tell(self._recorder.close())

    def _tell(self, note: str | None) -> None:
        if note and note != self._told:
            self._told = note
            self._listener.tell(note)
