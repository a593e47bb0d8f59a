"""Records runs as they end, those that the setting `ledger` keeps."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from theoryctl.ledger import place
from theoryctl.ledger.row import COLUMNS, row_of
from theoryctl.ledger.store import changing, is_due, opened
from theoryctl.settings import CONTENT, LOCAL, MOCK, OFF
from theoryctl_providers.contract import Delta, Output, ProviderError, is_mock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from sqlite3 import Connection
    from typing import Any

    from theoryctl.ledger.content import Content
    from theoryctl.ledger.row import Row, Source
    from theoryctl.settings import Settings
    from theoryctl_providers.contract import Envelope, Event, Request

_INTO = f"INTO runs ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
_TAKE_IN = f"""
INSERT OR IGNORE INTO runs ({", ".join(COLUMNS)}) SELECT {", ".join("?" * len(COLUMNS))}
WHERE NOT EXISTS (SELECT 1 FROM forgotten WHERE run_id = ?)
"""
_CONTENT = "INSERT OR REPLACE INTO contents VALUES (?, ?, ?, ?, ?, ?)"


class Policy:
    """Runs that are kept: none at all where it is `off`, those of mock mode too with `mock`, and with `content` the
    inputs and outputs of each. Where it is `local`, `runs` does not ask Modal for the logs of apps."""

    __slots__ = ("content", "local", "mock", "off")

    def __init__(self, *, off: bool = False, mock: bool = False, content: bool = False, local: bool = False) -> None:
        self.off, self.mock, self.content, self.local = off, mock, content, local

    def keeps(self, mode: str | None) -> bool:
        """Return whether a run of that mode is kept."""
        return not self.off and (self.mock or mode == "real")


def policy_of(settings: Settings) -> Policy:
    """Return the policy that the settings say; without a word in them it is real runs, without content.

    Raises UsageError for a word that is none.
    """
    found = settings.value("ledger")
    words = found.read if found else ()
    return Policy(off=OFF in words, mock=MOCK in words, content=CONTENT in words, local=LOCAL in words)


class Recorder:
    """One run as it goes on: show it the events with `see`, and give it the envelope with `write`."""

    def __init__(
        self, policy: Policy, request: Request, source: Source, answers: Mapping[str, Any] | None = None
    ) -> None:
        """`source` is as in `Row`; `answers` are the paths that mock mode answers from, by flag."""
        self._policy, self._request, self._source, self._answers = policy, request, source, answers or {}
        self._first: float | None = None

    @property
    def begun(self) -> bool:
        """Tell whether a part of the answer has come."""
        return self._first is not None

    def see(self, event: Event) -> None:
        """Take note of an event of the run."""
        if self._first is None and isinstance(event, (Delta, Output)):
            self._first = time.monotonic()

    def write(self, envelope: Envelope) -> str | None:
        """Write the row, and the content where the policy wants it. Return None, or a line on why it is not there."""
        if not self._policy.keeps(envelope["mode"]):
            return None
        row = row_for(self._request, envelope, self._source, place.here(), self._first_token_ms(envelope))
        content = content_for(self._policy, self._request, envelope, self._answers)
        return record([row], {row.run_id: content} if content else {})

    def _first_token_ms(self, envelope: Envelope) -> float | None:
        """The time to the first piece, by the clock of whoever ran it: without what came before, such as imports."""
        if self._first is None:
            return None
        since = (time.monotonic() - self._first) * 1000
        return max(0.0, round(envelope["meta"]["duration_ms"] - since, 1))


def record(rows: Sequence[Row], contents: Mapping[str, Content] | None = None) -> str | None:
    """Write rows as `write` does. Return None, or a line on why nothing was written: a ledger that cannot be written,
    as on a full disk, fails no run."""
    try:
        with opened() as connection:
            write(connection, rows, contents or {})
    except ProviderError as error:
        return not_written(rows, error)
    return None


def not_written(rows: Sequence[Row], error: ProviderError) -> str:
    """Return the line on why rows are not in the ledger."""
    runs = "this run is" if len(rows) == 1 else f"{len(rows)} runs are"
    return f"{runs} not in the ledger: {error.message}"


def write(connection: Connection, rows: Sequence[Row], contents: Mapping[str, Content]) -> None:
    """Write rows in one transaction, with contents by run id, and forget what is too old.

    A row replaces what a server's log told of the same run. Raises sqlite3.Error.
    """
    with changing(connection):
        _replace(connection, rows)
        if contents:
            connection.executemany(_CONTENT, ((run_id, *content) for run_id, content in contents.items()))
        was_due = is_due(connection)  # afterwards it would cost a transaction of its own
    if was_due:
        from theoryctl.ledger import retention

        retention.keep(connection)


def take_in(connection: Connection, rows: Iterable[Row]) -> None:
    """Write rows of a server's log, but for runs that are known: whoever asked knew more, and what was forgotten stays
    so though the log tells of it. Raises sqlite3.Error."""
    connection.executemany(_TAKE_IN, ((*row.values(), row.run_id) for row in rows))


def _replace(connection: Connection, rows: Sequence[Row]) -> None:
    """Write rows over those that are there. Where a vendor told what SQLite cannot hold, as a lone surrogate, that is
    null."""
    statement = f"INSERT OR REPLACE {_INTO}"
    try:
        connection.executemany(statement, (row.values() for row in rows))
    except (OverflowError, UnicodeEncodeError):  # SQLite's own check: one of ours would cost every row
        from theoryctl.ledger.log_rows import held

        connection.executemany(statement, ([held(value) for value in row.values()] for row in rows))


def row_for(
    request: Request, envelope: Envelope, source: Source, here: place.Here, first_token_ms: float | None = None
) -> Row:
    """Return the row of a run that was made `here`."""
    key, branch, ci_run = here
    inputs = outputs = None
    model = model_of(request, envelope)
    if key is not None:
        inputs = digest_asked(request, model, key)
        outputs = place.outputs_digest(envelope["outputs"], key)
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
    return place.inputs_digest(asked, request.attachments, key)


def model_of(request: Request, envelope: Envelope) -> str | None:
    """Return the model that was asked: the envelope's, and of a run that failed before it had one, that of the inputs,
    else the manifest's default."""
    inputs = request.inputs
    named = envelope["model"] or (inputs.get("model") if isinstance(inputs, Mapping) else None)
    return named if named and isinstance(named, str) else request.config.default_model


def content_for(policy: Policy, request: Request, envelope: Envelope, answers: Mapping[str, Any]) -> Content | None:
    """Return the content of a run; None where the policy wants none."""
    if not policy.content:
        return None
    from theoryctl.ledger.content import content_of

    return content_of(request, envelope, answers if is_mock(envelope["mode"] or "mock") else {})
