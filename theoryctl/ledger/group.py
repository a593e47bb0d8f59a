"""Records the runs of a batch in groups."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from theoryctl.ledger.place import here
from theoryctl.ledger.recorder import content_for, not_written, row_for, write
from theoryctl.ledger.store import PATIENCE, explained, opened
from theoryctl_providers.contract import ProviderError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from sqlite3 import Connection
    from typing import Any

    from theoryctl.ledger.content import Content
    from theoryctl.ledger.recorder import Policy
    from theoryctl.ledger.row import Row, Source
    from theoryctl_providers.contract import Envelope, Request


class Writer:
    """Writes groups of rows. It keeps the ledger open in between: to open and close it is half of the cost."""

    def __init__(self) -> None:
        self._opened = ExitStack()
        self._connection: Connection | None = None

    def write(
        self, rows: Sequence[Row], contents: Mapping[str, Content] | None = None, *, seconds: float = PATIENCE
    ) -> str | None:
        """Write rows as `recorder.write` does. It waits at most so many `seconds` for another process that writes.

        Return None, or a line on why nothing was written: a ledger that cannot be written, as on a full disk, fails no
        run.
        """
        try:
            with explained():
                write(self._ready(seconds), rows, contents or {})
        except ProviderError as error:
            self.close()
            return not_written(rows, error)
        return None

    def close(self) -> None:
        """Close the ledger; the next group opens it again."""
        self._connection = None
        with suppress(ProviderError):
            self._opened.close()

    def _ready(self, seconds: float) -> Connection:
        if self._connection is None:
            self._connection = self._opened.enter_context(opened(seconds=seconds))
        else:
            self._connection.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")
        return self._connection


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
                self._rows.append(row_for(request, envelope, self._source, self._here))
                if content := content_for(self._policy, request, envelope, self._answers):
                    self._contents[envelope["run_id"]] = content
        # Where another program holds the file, a batch is not to stand still at each group.
        return self._write(0.0 if was_waiting else PATIENCE)

    def close(self) -> str | None:
        """Write the runs that wait, and close the ledger. Return None, or a line on why they are not there."""
        note = self._write(PATIENCE)
        self._writer.close()
        return note

    def _write(self, seconds: float) -> str | None:
        if not self._rows:
            return None
        note = self._writer.write(self._rows, self._contents, seconds=seconds)
        if note is None:
            self._rows, self._contents = [], {}
        return note
