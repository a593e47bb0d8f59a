"""Show the settings, each with its source."""

from __future__ import annotations

from theoryctl.paths import config_dir
from theoryctl.results.settings import SettingRow, SettingsShown
from theoryctl.settings import PROJECT_FILE, SETTINGS, Settings


def show_config() -> SettingsShown:
    """Every setting as it is here: its value, and the variable or file that sets it.

    Raises UsageError for a file that is not what it must be.
    """
    settings = Settings()
    rows = []
    for setting in SETTINGS.values():
        found = settings.value(setting.name)
        value, source = (found.text, found.source) if found else (None, "default")
        rows.append(SettingRow(setting.name, value, source, setting.variable, setting.default))
    return SettingsShown(tuple(rows), PROJECT_FILE, str(config_dir() / "config.toml"))
