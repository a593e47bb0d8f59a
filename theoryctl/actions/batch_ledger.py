"""The ledger and the budget of a day for a batch: rows in groups, and money for each real call."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from theoryctl.batch.run import Finished
from theoryctl.ledger import digests, place
from theoryctl.ledger.row import row_of
from theoryctl.settings import Settings
from theoryctl_providers.contract import Mode, is_mock

if TYPE_CHECKING:
    from theoryctl.batch.money import Budget
    from theoryctl.ledger.policy import Policy
    from theoryctl.ledger.row import Content, Row

#: Rows in one transaction, and the seconds after which fewer are written.
_MOST_ROWS, _MOST_SECONDS = 1024, 1.0


class BatchLedger:
    """Writes a row for each line that was asked, as the policy says. A ledger that cannot be written fails no batch: a
    line for people says it."""

    def __init__(self, policy: Policy, answers: Mapping[str, str], tell: Callable[[str], None]) -> None:
        """`answers` are the paths that mock mode answers from, by flag."""
        self._policy, self._answers, self._tell = policy, answers, tell
        self._rows: list[Row] = []
        self._contents: dict[str, Content] = {}
        self._written = time.monotonic()
        self._key: bytes | None = None
        with suppress(OSError):  # without a key there are no digests
            self._key = digests.key()
        self._place = {"branch": place.branch(), "ci_run": place.ci_run()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._write()

    def add(self, finished: Sequence[Finished]) -> None:
        """Take the results of a group of lines."""
        for each in finished:
            self._add(each)
        if len(self._rows) >= _MOST_ROWS or time.monotonic() - self._written >= _MOST_SECONDS:
            self._write()

    def _add(self, finished: Finished) -> None:
        envelope = finished.envelope
        self._rows.append(row_of(envelope, "batch", **self._digests(finished), **self._place))
        if self._policy.content:
            from theoryctl.ledger.content import content_of

            answers = self._answers if is_mock(envelope["mode"] or "mock") else {}
            if content := content_of(finished.request, envelope, answers):
                self._contents[envelope["run_id"]] = content

    def _digests(self, finished: Finished) -> dict[str, str | None]:
        if self._key is None:
            return {}
        request = finished.request
        asked = {**request.inputs, "model": finished.envelope["model"] or request.inputs.get("model")}
        return {
            "inputs_digest": digests.inputs_digest(asked, request.attachments, self._key, checked=True),
            "outputs_digest": digests.outputs_digest(finished.envelope["outputs"], self._key),
        }

    def _write(self) -> None:
        self._written = time.monotonic()
        if self._rows:
            from theoryctl.ledger.writer import record_many

            rows, self._rows = self._rows, []
            contents, self._contents = self._contents, {}
            if note := record_many(rows, contents):
                self._tell(note)


def batch_ledger(mode: Mode, answers: Mapping[str, str], tell: Callable[[str], None]) -> BatchLedger | None:
    """Return the ledger of a batch in that mode; None where its policy keeps no such runs. Raises UsageError."""
    settings = Settings()
    if is_mock(mode) and settings.value("ledger") is None:
        return None
    from theoryctl.ledger.policy import policy_of

    policy = policy_of(settings)
    return BatchLedger(policy, answers, tell) if policy.keeps(mode) else None


def daily_budgets(mode: Mode) -> list[Budget]:
    """Return the budget of a day, where the settings have one and the mode is paid for. Raises UsageError."""
    settings = Settings()
    if is_mock(mode) or settings.value("max_cost_per_day") is None:
        return []
    from theoryctl.ledger.budget import budget_of

    budget = budget_of(settings)
    return [] if budget is None else [budget]
