"""Records runs as they end: one that is followed, or those of a batch in groups."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from theoryctl.ledger import digests, place
from theoryctl.ledger.row import row_of
from theoryctl.ledger.store import PATIENCE
from theoryctl.ledger.writer import Writer, record_many
from theoryctl_providers.contract import Delta, Output, is_mock

if TYPE_CHECKING:
    from theoryctl.ledger.content import Content
    from theoryctl.ledger.policy import Policy
    from theoryctl.ledger.row import Row, Source
    from theoryctl_providers.contract import Envelope, Event, Request


#: Facts of this place and time that rows share: the key of digests (without one rows have none), branch and CI run.
Here = tuple[bytes | None, str | None, str | None]


def here() -> Here:
    """Return the facts of this place."""
    key = None
    with suppress(OSError):
        key = digests.key()
    return key, place.branch(), place.ci_run()


class Recorder:
    """One run as it goes on: show it the events with `see`, and give it the envelope with `write`."""

    def __init__(
        self, policy: Policy, request: Request, source: Source, answers: Mapping[str, Any] | None = None
    ) -> None:
        """`source` is as in `Row`; `answers` are the paths that mock mode answers from, by flag."""
        self._policy, self._request, self._source, self._answers = policy, request, source, answers or {}
        self._first: float | None = None

    def see(self, event: Event) -> None:
        """Take note of an event of the run."""
        if self._first is None and isinstance(event, (Delta, Output)):
            self._first = time.monotonic()

    def write(self, envelope: Envelope) -> str | None:
        """Write the row, and the content where the policy wants it. Return None, or a line on why it is not there."""
        if not self._policy.keeps(envelope["mode"]):
            return None
        row = _row(self._request, envelope, self._source, here(), self._first_token_ms(envelope))
        content = _content(self._policy, self._request, envelope, self._answers)
        return record_many([row], {row.run_id: content} if content else {})

    def _first_token_ms(self, envelope: Envelope) -> float | None:
        """The time to the first piece, by the clock of whoever ran it: without what came before, such as imports."""
        if self._first is None:
            return None
        since = (time.monotonic() - self._first) * 1000
        return max(0.0, round(envelope["meta"]["duration_ms"] - since, 1))


class GroupRecorder:
    """The runs of a batch, written group by group.

    Rows that cannot be written wait for the next group, so that a ledger which is held for a while loses none.
    """

    #: Rows that wait, at most.
    MOST = 10_000

    def __init__(self, policy: Policy, source: Source, answers: Mapping[str, Any] | None = None) -> None:
        """`source` and `answers` are those of `Recorder`."""
        self._policy, self._source, self._answers = policy, source, answers or {}
        self._here = here()
        self._writer = Writer()
        self._rows: list[Row] = []
        self._contents: dict[str, Content] = {}

    def write(self, runs: Iterable[tuple[Request, Envelope]]) -> str | None:
        """Write a group of runs, and those that wait. Return None, or a line on why they are not there."""
        was_waiting = bool(self._rows)
        for request, envelope in runs:
            if self._policy.keeps(envelope["mode"]) and len(self._rows) < self.MOST:
                self._rows.append(_row(request, envelope, self._source, self._here))
                if content := _content(self._policy, request, envelope, self._answers):
                    self._contents[envelope["run_id"]] = content
        if not self._rows:
            return None
        # Where another program holds the file, a batch is not to stand still at each group.
        note = self._writer.write(self._rows, self._contents, seconds=0.0 if was_waiting else PATIENCE)
        if note is None:
            self._rows, self._contents = [], {}
        return note

    def close(self) -> None:
        """Close the ledger."""
        self._writer.close()


def _row(request: Request, envelope: Envelope, source: Source, place: Here, first_token_ms: float | None = None) -> Row:
    key, branch, ci_run = place
    inputs = outputs = None
    model = model_of(request, envelope)
    if key is not None:
        inputs = digest_asked(request, model, key)
        outputs = digests.outputs_digest(envelope["outputs"], key)
    return row_of(
        envelope,
        source,
        model=model,
        first_token_ms=first_token_ms,
        inputs_digest=inputs,
        outputs_digest=outputs,
        branch=branch,
        ci_run=ci_run,
        operation=request.operation,
    )


def digest_asked(request: Request, model: str | None, key: bytes) -> str | None:
    """Return the digest of a request's inputs with the model that was asked, so that a default one and the same one by
    name are equal; None for inputs that have no form in JSON."""
    inputs = request.inputs
    asked = {**inputs, "model": model} if model and isinstance(inputs, Mapping) else inputs
    return digests.inputs_digest(asked, request.attachments, key)


def model_of(request: Request, envelope: Envelope) -> str | None:
    """Return the model that was asked: the envelope's, and of a run that failed before it had one, that of the inputs,
    else the manifest's default."""
    inputs = request.inputs
    named = envelope["model"] or (inputs.get("model") if isinstance(inputs, Mapping) else None)
    return named if named and isinstance(named, str) else request.config.default_model


def _content(policy: Policy, request: Request, envelope: Envelope, answers: Mapping[str, Any]) -> Content | None:
    if not policy.content:
        return None
    from theoryctl.ledger.content import content_of

    return content_of(request, envelope, answers if is_mock(envelope["mode"] or "mock") else {})
