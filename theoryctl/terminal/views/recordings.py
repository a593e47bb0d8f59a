"""Views of the results of `theoryctl recordings`."""

from __future__ import annotations

from collections.abc import Iterator

from theoryctl.results.recordings import Compared, RecordingsCompared, RecordingsPruned
from theoryctl.terminal.view import Lines, Views
from theoryctl.units import dollars, most_dollars


def _compared(result: RecordingsCompared) -> Lines:
    if result.command is not None:
        cost = most_dollars(result.cost_usd)
        number = sum(row.outcome == "planned" for row in result.rows)
        times = "once" if number == 1 else f"{number} times"
        notes: tuple[str, ...] = (f"nobody was asked; to ask {times} for {cost}: {result.command}",)
    else:
        cost = "an unknown price" if result.cost_usd is None else dollars(result.cost_usd)
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
