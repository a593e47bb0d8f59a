"""Settings: values of flags that nobody typed, from variables, the project's file and the user's file."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from theoryctl.errors import TheoryctlError, UsageError
from theoryctl.hints import again, near_path, nearest, path_hint
from theoryctl.paths import config_dir
from theoryctl_providers.contract import MODES

if TYPE_CHECKING:
    from theoryctl.refs import ProviderRef
    from theoryctl.settings_file import BadSetting, SettingsFile

PROJECT_FILE = "theoryctl.toml"

#: Words of the setting `ledger`: nothing is kept, or mock runs too, inputs and outputs too, and nothing from the logs
#: of apps on Modal.
OFF, MOCK, CONTENT, LOCAL = "off", "mock", "content", "local"


class Rule(NamedTuple):
    """The rule for the values of a setting.

    `read` makes a value of a text, and raises TheoryctlError that names the source it is given. `meant` finds the text
    that may be meant by a wrong one.
    """

    read: Callable[[str, str], Any]
    meant: Callable[[str], str | None] = lambda text: None


def _ref(text: str, source: str) -> ProviderRef:
    from theoryctl.refs import ProviderRef

    return ProviderRef.parse(text, source)


def _meant_ref(text: str) -> str | None:
    from theoryctl.refs import BUNDLED, meant

    # Without a version it may be a model, as openai/gpt-4o.
    return meant(text) if "@" in text or text.rpartition("/")[2] in BUNDLED else None


def _model(text: str, source: str) -> str:
    from theoryctl_providers.contract.key_shapes import KEY

    name = text.rpartition("/")[2]
    is_key = KEY.fullmatch(name) and any(map(str.isdigit, name))
    if text.strip() and not is_key:
        return text
    raise UsageError(f"{source}: expected a model, as openai/gpt-4o-mini, got {'a key' if is_key else repr(text)}")


def existing_folder(text: str, source: str) -> Path:
    """A folder that somebody asked for by name, which must be there. Raises UsageError that names `source`."""
    if os.path.isdir(text):
        return Path(text)
    error = NotADirectoryError() if os.path.exists(text) else FileNotFoundError()
    hint = path_hint(text, error, lambda near: again(f"use {near}", manifests=near), is_wanted=os.path.isdir)
    raise UsageError(f"{source}: expected a folder, got {text!r:.200}", hint=hint)


def _near_folder(text: str) -> str | None:
    return near_path(text.rstrip("/"), os.path.isdir)


def _timeout(text: str, source: str) -> float:
    from theoryctl.units import parse_timeout

    return parse_timeout(text, source)


def _usd(text: str, source: str) -> float:
    from theoryctl.units import parse_dollars

    return parse_dollars(text, source)


def _number(text: str) -> str | None:
    from theoryctl.units import near_number

    return near_number(text)


def _ledger(text: str, source: str) -> frozenset[str]:
    words = frozenset(word.strip().lower() for word in text.split(","))
    if words <= {OFF} or words <= {MOCK, CONTENT, LOCAL}:
        return words
    expected = f"{OFF}, or any of {MOCK}, {CONTENT} and {LOCAL} with commas between them"
    raise UsageError(f"{source}: expected {expected}, got {text!r:.200}")


def _word(text: str) -> str | None:
    return nearest(text.lower(), (OFF, MOCK, CONTENT, LOCAL))


def _one_of(choices: Sequence[str]) -> Rule:
    def read(text: str, source: str) -> str:
        if text in choices:
            return text
        expected = f"{', '.join(choices[:-1])} or {choices[-1]}"
        raise UsageError(f"{source}: expected {expected}, got {text!r:.200}")

    return Rule(read, lambda text: nearest(text.lower(), choices))


#: The runtimes that `start` starts, its default first; and with them this process itself, which needs no start.
STARTED, EMBEDDED = ("docker", "process"), "embedded"
RUNTIMES = (*STARTED, EMBEDDED)


class Setting(NamedTuple):  # made faster than a dataclass, at every start
    """A setting: its name in files, the variable of the same meaning, and its default as text for people.

    `choices` are its only values, if it has such; else its values keep `rule`. A project's file may set it only where
    `by_project`.
    """

    name: str
    variable: str
    default: str
    choices: tuple[str, ...] = ()
    by_project: bool = True
    is_path: bool = False
    rule: Rule | None = None


SETTINGS: Mapping[str, Setting] = {
    each.name: each
    for each in (
        Setting("ref", "THEORYCTL_REF", "the one started instance, else llm/litellm@1", rule=Rule(_ref, _meant_ref)),
        Setting("model", "THEORYCTL_MODEL", "the manifest's", rule=Rule(_model)),
        Setting("mode", "THEORYCTL_MODE", "the instance's, else mock", MODES, by_project=False),
        Setting("runtime", "THEORYCTL_RUNTIME", f"run: the started one; start: {STARTED[0]}", RUNTIMES),
        Setting(
            "manifests",
            "THEORYCTL_MANIFESTS",
            "./manifests and others",
            is_path=True,
            rule=Rule(existing_folder, _near_folder),
        ),
        Setting("timeout", "THEORYCTL_TIMEOUT", "the manifest's", rule=Rule(_timeout, _number)),
        Setting("mock_version", "THEORYCTL_MOCK_VERSION", "2", ("1", "2")),
        Setting(
            "ledger", "THEORYCTL_LEDGER", "real runs, without content", by_project=False, rule=Rule(_ledger, _word)
        ),
        Setting(
            "max_cost_per_day", "THEORYCTL_MAX_COST_PER_DAY", "no limit", by_project=False, rule=Rule(_usd, _number)
        ),
    )
}


class Value(NamedTuple):
    """The value of a setting, its source (the variable, or the file), and what its rule `read`."""

    text: str
    source: str
    read: Any


class Settings:
    """The settings as they are where the command runs. The files are read when the first value is looked for."""

    def value(self, name: str) -> Value | None:
        """The value of a setting; None where nothing sets it.

        The variable counts before the project's file, and that before the user's. Raises BadSetting (`ERR_USAGE`, or
        `ERR_REF` for a ref) for a file that is not what it must be, and for a value that breaks the setting's rule.
        """
        setting = SETTINGS[name]
        if text := os.environ.get(setting.variable):
            return _of_variable(setting, text)
        for file in self._files:
            if name in file.values:
                return _of_file(setting, file)
        return None

    def text(self, name: str) -> str | None:
        """The text of a setting; None where nothing sets it. Raises what `value` raises."""
        found = self.value(name)
        return found.text if found else None

    @cached_property
    def unused(self) -> str | None:
        """A line on a project's file that is not read, because somebody else could have written it."""
        file = _project_file()
        reason = file and _foreign(file)
        if file is None or reason is None:
            return None
        from theoryctl.settings_file import short

        return f"{short(file)} is not read: {reason}"

    @cached_property
    def _files(self) -> list[SettingsFile]:
        return list(self._read())

    def _read(self) -> Iterator[SettingsFile]:
        project, user = _project_file(), config_dir() / "config.toml"
        if project is not None and _foreign(project) is None:
            file = _opened(project)
            _must_be_of_project(file)
            yield file
        if os.path.lexists(user):
            yield _opened(user)


def _opened(path: Path) -> SettingsFile:
    from theoryctl.settings_file import SettingsFile

    return SettingsFile(path, SETTINGS)


def _project_file() -> Path | None:
    """The nearest theoryctl.toml, in the working folder or above it."""
    try:
        folder = os.getcwd()
    except OSError:  # it was removed
        return None
    while not os.path.lexists(file := os.path.join(folder, PROJECT_FILE)):
        if folder == (folder := os.path.dirname(folder)):
            return None
    return Path(file)


def _foreign(file: Path) -> str | None:
    """The reason why a project's file may be somebody else's; None where nobody but the caller could write it."""
    try:
        found, folder = file.stat(), file.parent.stat()
    except OSError:  # said where it is opened
        return None
    if {found.st_uid, folder.st_uid} != {os.geteuid()}:
        return "it or its folder belongs to another user"
    return "every user may write to it" if found.st_mode & 0o002 else None


def _must_be_of_project(file: SettingsFile) -> None:
    """Raise BadSetting for a setting that a project's file must not have."""
    for name in file.values:
        if not SETTINGS[name].by_project:
            from theoryctl.settings_file import BadSetting, short

            elsewhere = f"{SETTINGS[name].variable} and {short(config_dir() / 'config.toml')} can"
            message = f"{file.where(name)}: a project's file cannot set it; {elsewhere}"
            raise BadSetting(message, fix=file.removed(name))


def _of_variable(setting: Setting, text: str) -> Value:
    def fix(right: str | None) -> str:
        return f"export {setting.variable}={shlex.quote(right)}" if right else f"unset {setting.variable}"

    return _checked(setting, text, setting.variable, setting.variable, fix)


def _of_file(setting: Setting, file: SettingsFile) -> Value:
    name, value = setting.name, file.values[setting.name]
    where = file.where(name)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or value == "":
        from theoryctl.settings_file import BadSetting

        raise BadSetting(f"{where}: expected a text or a number, got {value!r:.200}", fix=file.removed(name))

    def fix(right: str | None) -> str:
        return file.replaced(name, right) if right else file.removed(name)

    text = str(file.path.parent / str(value)) if setting.is_path else str(value)
    return _checked(setting, text, file.short, where, fix)


def _checked(setting: Setting, text: str, source: str, where: str, fix: Callable[[str | None], str]) -> Value:
    """The value that a text is by the rule of its setting. Raises BadSetting that names the place, with its `fix`."""
    rule = setting.rule or _one_of(setting.choices)
    try:
        return Value(text, source, rule.read(text, where))
    except TheoryctlError as error:
        raise _bad(rule, text, error, fix) from None


def _bad(rule: Rule, text: str, error: TheoryctlError, fix: Callable[[str | None], str]) -> BadSetting:
    from theoryctl.settings_file import BadSetting

    right = rule.meant(text)
    try:
        right = right and str(rule.read(right, "")) and right
    except TheoryctlError:
        right = None
    bad = BadSetting(error.message, fix=fix(right), text=text)
    bad.code = error.code
    return bad
