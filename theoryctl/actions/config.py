"""Show the settings, each with its source."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import NoReturn

from theoryctl.errors import UsageError
from theoryctl.hints import command
from theoryctl.paths import config_dir
from theoryctl.results.settings import SettingRow, SettingsShown
from theoryctl.settings import PROJECT_FILE, SETTINGS, Settings

#: The words of `set mode real`.
_SET = 3


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


def refuse_to_set(words: Sequence[str]) -> NoReturn:
    """Raise UsageError for words after the command, such as `set mode real`; its hint is what sets that in a shell."""
    name, *value = words[1:] if len(words) == _SET and words[0] == "set" else ("",)
    setting = SETTINGS.get(name.replace("-", "_"))
    hint = f"export {setting.variable}={shlex.quote(value[0])}" if setting and value else command("config")
    raise UsageError("config shows the settings; a variable, or a file, sets them", hint=hint)
