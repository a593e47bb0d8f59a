"""Results of `theoryctl config`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting: its value, None where nothing sets it, and its source; `default` says in words what counts then."""

    name: str
    value: str | None
    source: str
    variable: str
    default: str


@dataclass(frozen=True, slots=True)
class SettingsShown:
    """Every setting, and the files that may set some."""

    rows: tuple[SettingRow, ...]
    project_file: str
    user_file: str
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        fields = ("name", "value", "source", "variable", "default")
        rows = [{field: getattr(row, field) for field in fields} for row in self.rows]
        files = {"project_file": self.project_file, "user_file": self.user_file}
        return {"schema": "theoryctl.config/v1", "settings": rows, **files}
