"""Follows one run, and writes its row."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from theoryctl.ledger import digests, place
from theoryctl.ledger.row import row_of
from theoryctl_providers.contract import Delta, Output, is_mock

if TYPE_CHECKING:
    from theoryctl.ledger.policy import Policy
    from theoryctl.ledger.row import Content, Row
    from theoryctl_providers.contract import Envelope, Event, Request


class Recorder:
    """One run as it goes on: show it the events with `see`, and give it the envelope with `write`."""

    def __init__(self, policy: Policy, request: Request, source: str, answers: Mapping[str, str] | None = None) -> None:
        """`source` is as in `Row`; `answers` are the paths that mock mode answers from, by flag."""
        self._policy, self._request, self._source, self._answers = policy, request, source, answers or {}
        self._first: float | None = None

    def see(self, event: Event) -> None:
        """Take note of an event of the run."""
        if self._first is None and isinstance(event, (Delta, Output)):
            self._first = time.monotonic()

    def row(self, envelope: Envelope) -> Row:
        """Return the row of the run, which has ended."""
        inputs = outputs = None
        with suppress(OSError):  # without a key there are no digests
            key = digests.key()
            inputs = digests.inputs_digest(self._asked(envelope), self._request.attachments, key)
            outputs = digests.outputs_digest(envelope["outputs"], key)
        return row_of(
            envelope,
            self._source,
            first_token_ms=self._first_token_ms(envelope),
            inputs_digest=inputs,
            outputs_digest=outputs,
            branch=place.branch(),
            ci_run=place.ci_run(),
        )

    def write(self, envelope: Envelope) -> str | None:
        """Write the row, and the content where the policy wants it. Return None, or a line on why it is not there."""
        if not self._policy.keeps(envelope["mode"]):
            return None
        from theoryctl.ledger.writer import record_many

        content = self._content(envelope) if self._policy.content else None
        return record_many([self.row(envelope)], {envelope["run_id"]: content} if content else {})

    def _asked(self, envelope: Envelope) -> object:
        """The inputs with the model that was asked, so that a default one and the same one by name are equal."""
        inputs, model = self._request.inputs, envelope["model"]
        return {**inputs, "model": model} if model and isinstance(inputs, Mapping) else inputs

    def _first_token_ms(self, envelope: Envelope) -> float | None:
        """The time to the first piece, by the clock of whoever ran it: without what came before, such as imports."""
        if self._first is None:
            return None
        since = (time.monotonic() - self._first) * 1000
        return max(0.0, round(envelope["meta"]["duration_ms"] - since, 1))

    def _content(self, envelope: Envelope) -> Content | None:
        from theoryctl.ledger.content import content_of

        return content_of(self._request, envelope, self._answers if is_mock(envelope["mode"] or "mock") else {})
