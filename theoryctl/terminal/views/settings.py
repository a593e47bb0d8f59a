"""View of the settings."""

from __future__ import annotations

from theoryctl.results.settings import SettingRow, SettingsShown
from theoryctl.terminal.view import Table, Views

HEADER = ("setting", "value", "source")


def _shown(result: SettingsShown) -> Table:
    return Table(HEADER, [_cells(row) for row in result.rows], "there are no settings", folds=True)


def _cells(row: SettingRow) -> tuple[str, ...]:
    return (row.name, row.default if row.value is None else row.value, row.source)


VIEWS: Views = {SettingsShown: _shown}
