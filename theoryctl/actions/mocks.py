"""The work behind `theoryctl mocks`."""

from __future__ import annotations

from theoryctl.actions.vendors import prefixes
from theoryctl.errors import BadScript
from theoryctl.hints import again, path_hint
from theoryctl.results.mocks import Checked, ScriptsChecked
from theoryctl_providers.contract import read_regular


def check_scripts(files: tuple[str, ...]) -> ScriptsChecked:
    """Check scripts, each by itself. Raises BadScript for a file that cannot be read."""
    return ScriptsChecked(tuple(_checked(file, files) for file in files))


def _checked(file: str, files: tuple[str, ...]) -> Checked:
    from theoryctl_providers.authored.script_check import MAX_BYTES, inspect_script

    try:
        data = read_regular(file, MAX_BYTES)
    except OSError as error:
        hint = path_hint(file, error, lambda near: again(f"use {near}", files=_with(files, file, near)))
        raise BadScript(f"{file}: {error.strerror}", hint=hint) from error
    rules, problems = inspect_script(data, prefixes())
    return Checked(file, rules, tuple(problems))


def _with(files: tuple[str, ...], file: str, near: str) -> tuple[str, ...]:
    return tuple(near if each == file else each for each in files)
