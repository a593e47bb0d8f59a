"""Views of the results of `theoryctl mocks`."""

from __future__ import annotations

from collections.abc import Iterator

from theoryctl.results.mocks import Checked, ScriptsChecked
from theoryctl.terminal.view import Lines, Views


def _checked(result: ScriptsChecked) -> Lines:
    return Lines([line for checked in result.files for line in _lines(checked)])


def _lines(checked: Checked) -> Iterator[str]:
    for each in checked.problems:
        yield f"{checked.file}:{each.problem}"
    if not checked.problems:
        yield f"{checked.file}: {checked.rules} {'rule' if checked.rules == 1 else 'rules'}, no problem"


VIEWS: Views = {ScriptsChecked: _checked}
