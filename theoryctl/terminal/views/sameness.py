"""The view of the result of `theoryctl manifest test --runtimes`."""

from __future__ import annotations

from theoryctl.results.sameness import SamenessTested
from theoryctl.terminal.view import Lines, Views


def _compared(result: SamenessTested) -> Lines:
    return Lines(result.lines())


VIEWS: Views = {SamenessTested: _compared}
