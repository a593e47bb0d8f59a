"""A script of mock answers, read from its file."""

from __future__ import annotations

from theoryctl.errors import BadScript
from theoryctl.hints import again, path_hint
from theoryctl_providers.authored import script_check
from theoryctl_providers.authored.model_check import in_file
from theoryctl_providers.contract import Script, ScriptDocument, read_regular


def read_script(file: str) -> Script:
    """The script in a YAML file, at its beginning.

    Raises BadScript (`ERR_SCRIPT`) for a file that cannot be read, or with every problem as
    `file:line:column: path.to.key: what is wrong; what was expected`.
    """
    try:
        data = read_regular(file, script_check.MAX_BYTES)
    except OSError as error:
        hint = path_hint(file, error, lambda near: again(f"use {near}", script=(near,)))
        raise BadScript(f"--script {file}: {error.strerror}", hint=hint) from error
    return Script(check_script(data, file))


def check_script(data: bytes, file: str) -> ScriptDocument:
    """The script in `data`, which came from `file`. Raises BadScript as `read_script` does."""
    script, problems = script_check.read_script(data)
    if script is None:
        raise BadScript(in_file(file, problems), hint="fix it; docs/mocks.md describes scripts")
    return script
