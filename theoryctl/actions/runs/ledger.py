"""The work behind `theoryctl runs`: what the ledger tells of runs, and what is forgotten."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from theoryctl.errors import LedgerFull, OutputFailed, UsageError
from theoryctl.hints import again, make_folder
from theoryctl.ledger import queries, retention, store
from theoryctl.ledger.content import Content
from theoryctl.ledger.queries import GROUPS, Filter
from theoryctl.ledger.row import Row
from theoryctl.results.runs import CostRow, CostsShown, LedgerPath, ReportWritten, RunList, RunsForgotten, RunShown
from theoryctl_providers.contract.files import replace_named_file

if TYPE_CHECKING:
    from theoryctl.ledger.store import Connection


#: Hears of a log that could not be read.
Tell = Callable[[str], None]


@contextmanager
def current(tell: Tell) -> Iterator[Connection]:
    """Open the ledger, after it has taken in what the logs of started instances and of apps on Modal tell.

    Raises LedgerFailed.
    """
    from theoryctl.actions.runs.intake import take_in_all
    from theoryctl.actions.runs.modal_intake import take_in_apps

    with store.opened() as connection:
        take_in_all(connection)
        take_in_apps(connection, tell)
        yield connection


def list_runs(chosen: Filter, limit: int, tell: Tell) -> RunList:
    """List the newest runs that are meant, at most `limit`. Raises LedgerFailed."""
    with current(tell) as ledger:
        found = tuple(queries.runs(ledger, chosen, limit))
        return RunList(found, queries.count(ledger, chosen), empty=not found and queries.is_empty(ledger))


def show_run(name: str, tell: Tell) -> RunShown:
    """Show one run, by its id or the beginning of it. Raises LedgerFailed, UsageError."""
    row, content = look_up(name, tell)
    return RunShown(row, content)


def look_up(name: str, tell: Tell) -> tuple[Row, Content | None]:
    """Return a run, and its content where that was kept. Raises LedgerFailed, UsageError."""
    with current(tell) as ledger:
        row = queries.one(ledger, name)
        return row, queries.content(ledger, row.run_id)


def show_costs(chosen: Filter, by: str, tell: Tell) -> CostsShown:
    """Sum up the runs that are meant, grouped by the names in `by`, which commas set apart.

    Raises LedgerFailed, and UsageError for a name that is none.
    """
    names = groups(by)
    with current(tell) as ledger:
        rows = [CostRow(*found) for found in queries.costs(ledger, chosen, names)]
        empty = not rows and queries.is_empty(ledger)
        return CostsShown(names, tuple(rows), queries.total(ledger, chosen), empty=empty)


def groups(by: str) -> tuple[str, ...]:
    """Return the names in a list with commas, each once. Raises UsageError for one that nothing is grouped by."""
    names = tuple(dict.fromkeys(name.strip().lower() for name in by.split(",")))
    if unknown := [name for name in names if name not in GROUPS]:
        message = f"--by: expected any of {', '.join(GROUPS)}, got {unknown[0][:100]!r}"
        raise UsageError(message, hint=again("use --by day,model", by="day,model"))
    return names


def export_runs(chosen: Filter, tell: Tell, *, otlp: bool) -> Iterator[str]:
    """Yield the runs that are meant as lines of JSON, the oldest first. Raises LedgerFailed."""
    with current(tell) as ledger:
        rows = list(queries.runs(ledger, chosen))[::-1]
    if otlp:
        from theoryctl.ledger.otlp import request_of

        yield json.dumps(request_of(rows), separators=(",", ":"))
    else:
        yield from (json.dumps(row.document(), separators=(",", ":")) for row in rows)


def prune(older_than: float | None, everything: bool, tell: Tell) -> RunsForgotten:
    """Forget runs that began more than `older_than` seconds ago, else those past the retention, or all.

    What is forgotten cannot be read from the file afterwards. All can be forgotten on a full disk too. Raises
    LedgerFailed, UsageError.
    """
    if everything and older_than is not None:
        raise UsageError("--all and --older-than exclude each other", hint=again("leave --all out", all_=None))
    age = retention.SECONDS if older_than is None else older_than
    before = time.time() + 86400 if everything else time.time() - age
    try:
        return _pruned(before, tell)
    except LedgerFull:
        if not everything:
            raise
    forgotten = retention.cut_off()
    with current(tell) as ledger:  # what logs tell that were not read before
        forgotten += _forget(ledger, before)
        return RunsForgotten(forgotten, queries.count(ledger, Filter()))


def _pruned(before: float, tell: Tell) -> RunsForgotten:
    with current(tell) as ledger:
        forgotten = _forget(ledger, before)
        ledger.execute("VACUUM")
        ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return RunsForgotten(forgotten, queries.count(ledger, Filter()))


def _forget(ledger: Connection, before: float) -> int:
    ledger.execute("PRAGMA secure_delete = ON")
    with store.changing(ledger):
        return retention.forget(ledger, before)


def write_report(chosen: Filter, file: str, tell: Tell) -> ReportWritten:
    """Write a page about the runs that are meant. Raises LedgerFailed, OutputFailed."""
    from theoryctl.ledger.report.figures import figures
    from theoryctl.ledger.report.page import page

    with current(tell) as ledger:
        found = figures(ledger, chosen)
    data = page(found, "What was run here").encode()
    try:
        replace_named_file(file, data)
    except OSError as error:
        hint = make_folder(os.path.dirname(file), otherwise="name another file")
        raise OutputFailed(f"the report {file}: {error.strerror}", hint=hint) from error
    return ReportWritten(file, found.total.runs, len(data))


def ledger_path(tell: Tell) -> LedgerPath:
    """The path of the ledger, which is made if there is none, with what logs tell. Raises LedgerFailed."""
    with current(tell):
        return LedgerPath(str(store.path()))
