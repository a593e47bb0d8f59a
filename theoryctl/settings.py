"""Settings: values of flags that nobody typed, from variables, the project's file and the user's file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple

from theoryctl.errors import UsageError
from theoryctl.paths import config_dir
from theoryctl_providers.contract import MODES

PROJECT_FILE = "theoryctl.toml"

#: A page of text; anything larger is a mistake.
MAX_BYTES = 1 << 20

#: The runtimes that `start` starts, its default first; and with them this process itself, which needs no start.
STARTED, EMBEDDED = ("docker", "process"), "embedded"
RUNTIMES = (*STARTED, EMBEDDED)


class Setting(NamedTuple):  # made faster than a dataclass, at every start
    """A setting: its name in files, the variable of the same meaning, and its default as text for people.

    `choices` are its only values, if it has such. A project's file may set it only where `by_project`.
    """

    name: str
    variable: str
    default: str
    choices: tuple[str, ...] = ()
    by_project: bool = True
    is_path: bool = False


SETTINGS: Mapping[str, Setting] = {
    each.name: each
    for each in (
        Setting("ref", "THEORYCTL_REF", "the one started instance, else llm/litellm@1"),
        Setting("model", "THEORYCTL_MODEL", "the manifest's"),
        Setting("mode", "THEORYCTL_MODE", "the instance's, else mock", MODES, by_project=False),
        Setting("runtime", "THEORYCTL_RUNTIME", f"run: the started one; start: {STARTED[0]}", RUNTIMES),
        Setting("manifests", "THEORYCTL_MANIFESTS", "./manifests and others", is_path=True),
        Setting("timeout", "THEORYCTL_TIMEOUT", "the manifest's"),
        Setting("mock_version", "THEORYCTL_MOCK_VERSION", "2", ("1", "2")),
        Setting("ledger", "THEORYCTL_LEDGER", "real runs, without content", by_project=False),
        Setting("max_cost_per_day", "THEORYCTL_MAX_COST_PER_DAY", "no limit", by_project=False),
    )
}


class Value(NamedTuple):
    """The value of a setting, and its source: the variable, or the file."""

    text: str
    source: str


class Settings:
    """The settings as they are where the command runs. The files are read when the first value is looked for."""

    def value(self, name: str) -> Value | None:
        """The value of a setting; None where nothing sets it.

        The variable counts before the project's file, and that before the user's. Raises UsageError for a file that is
        not what it must be, and for a value that is none of the setting's choices.
        """
        setting = SETTINGS[name]
        if text := os.environ.get(setting.variable):
            return _checked(setting, Value(text, setting.variable))
        for path, values in self._files:
            if name in values:
                return Value(values[name], _short(path))
        return None

    def text(self, name: str) -> str | None:
        """The text of a setting; None where nothing sets it. Raises what `value` raises."""
        found = self.value(name)
        return found.text if found else None

    @cached_property
    def unused(self) -> str | None:
        """A line on a project's file that is not read, because its folder or the file is somebody else's."""
        file = _project_file()
        if file is None or _is_own(file):
            return None
        return f"{_short(file)} is not read: it or its folder belongs to another user"

    @cached_property
    def _files(self) -> list[tuple[Path, dict[str, str]]]:
        return list(self._read())

    def _read(self) -> Iterator[tuple[Path, dict[str, str]]]:
        project, user = _project_file(), config_dir() / "config.toml"
        if project is not None and _is_own(project):
            yield project, _values(project, is_project=True)
        if user.is_file():
            yield user, _values(user, is_project=False)


def _project_file() -> Path | None:
    """The nearest theoryctl.toml, in the working folder or above it."""
    try:
        folder = os.getcwd()
    except OSError:  # it was removed
        return None
    while not os.path.isfile(file := os.path.join(folder, PROJECT_FILE)):
        if folder == (folder := os.path.dirname(folder)):
            return None
    return Path(file)


def _is_own(file: Path) -> bool:
    """Return whether nobody but the caller could have written a project's file."""
    try:
        owners = {file.stat().st_uid, file.parent.stat().st_uid}
        return owners == {os.geteuid()} and not file.stat().st_mode & 0o002
    except OSError:
        return False


def _values(file: Path, *, is_project: bool) -> dict[str, str]:
    """The settings in a file, as texts. Raises UsageError."""
    return {name: _value(file, name, value, is_project) for name, value in _table(file).items()}


def _table(file: Path) -> dict[str, Any]:
    import tomllib

    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise UsageError(f"{_short(file)}: more than {MAX_BYTES} bytes", hint=f"ls -l {quote(str(file))}")
        return tomllib.loads(data.decode())
    except OSError as error:
        raise UsageError(f"{_short(file)}: {error.strerror}", hint=f"ls -l {quote(str(file))}") from None
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are
        raise UsageError(f"{_short(file)}: expected TOML: {error}", hint=f"fix {_short(file)}") from None


def _value(file: Path, name: str, value: Any, is_project: bool) -> str:
    where = f"{_short(file)}: {name}"
    setting = SETTINGS.get(name)
    if setting is None:
        from difflib import get_close_matches

        near = get_close_matches(name, SETTINGS, n=1)
        meant = f"write {near[0]}" if near else f"use one of {', '.join(SETTINGS)}"
        raise UsageError(f"{where}: there is no such setting", hint=f"{meant} in {_short(file)}")
    if is_project and not setting.by_project:
        user = _short(config_dir() / "config.toml")
        raise UsageError(
            f"{where}: a project's file cannot set it",
            hint=f"remove it there, or set it in {user} or {setting.variable}",
        )
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or value == "":
        raise UsageError(f"{where}: expected a text or a number, got {value!r}"[:200], hint=f"fix {_short(file)}")
    text = str(file.parent / str(value)) if setting.is_path else str(value)
    return _checked(setting, Value(text, where)).text


def _checked(setting: Setting, value: Value) -> Value:
    if not setting.choices or value.text in setting.choices:
        return value
    choices = " or ".join(setting.choices)
    raise UsageError(
        f"{value.source}: expected {choices}, got {value.text!r}"[:200], hint=f"set {value.source} to {choices}"
    )


def _short(file: Path) -> str:
    """A path as people write it: relative where it is near, else with ~ for the home."""
    text, home = os.path.relpath(file), os.path.expanduser("~")
    if text.startswith(os.pardir) and str(file).startswith(home + os.sep):
        return f"~{str(file)[len(home) :]}"
    return text
