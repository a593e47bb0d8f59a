"""Views of the results of `theoryctl recordings`."""

from __future__ import annotations

from collections.abc import Iterator

from theoryctl.results.recordings import Compared, RecordingsCompared, RecordingsPruned
from theoryctl.terminal.format import dollars
from theoryctl.terminal.view import Lines, Views


def _compared(result: RecordingsCompared) -> Lines:
    cost = "an unknown price" if result.cost_usd is None else dollars(result.cost_usd)
    if result.command is not None:
        number = sum(row.outcome == "planned" for row in result.rows)
        times = "once" if number == 1 else f"{number} times"
        notes: tuple[str, ...] = (f"nobody was asked; to ask {times} for at most {cost}: {result.command}",)
    else:
        notes = (f"asking again cost {cost}",)
    return Lines([line for row in result.rows for line in _lines(row)], notes=notes)


def _lines(row: Compared) -> Iterator[str]:
    yield f"{row.outcome}\t{row.file}" + (f"\t{row.what}" if row.what else "")
    yield from (f"  {line}" for line in row.difference)


def _pruned(result: RecordingsPruned) -> Lines:
    if not result.files:
        return Lines([], notes=(f"every recording in {result.folder} answered a request",))
    verb = "would remove" if result.command else "removed"
    notes = (f"nothing was removed; to remove all of it: {result.command}",) if result.command else ()
    return Lines([f"{verb} {file}" for file in result.files], notes=notes)


VIEWS: Views = {RecordingsCompared: _compared, RecordingsPruned: _pruned}
