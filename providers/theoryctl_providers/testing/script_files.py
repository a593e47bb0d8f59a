"""Scripts for tests: documents, or files of JSON or YAML, checked as by the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theoryctl_providers.contract import ProviderError, Script, read_regular

if TYPE_CHECKING:
    from theoryctl_providers.contract import ScriptDocument

#: A script: its document, or the path of a file.
Told = Mapping[str, Any] | str | Path

_CHANGE = "change the script"


def script_of(told: Told) -> Script:
    """Return the script of a document, or of the file at a path. JSON is read as YAML, of which it is a part.

    Raises ProviderError `ERR_SCRIPT` with every problem; those of a file have their lines and columns.
    """
    script, problems = _of_file(Path(told)) if isinstance(told, (str, Path)) else _of_document(told)
    if script is None or problems:
        raise ProviderError("ERR_SCRIPT", "\n".join(problems), hint=_CHANGE)
    return Script(script)


def _of_file(file: Path) -> tuple[ScriptDocument | None, list[str]]:
    from theoryctl_providers.authored.script_check import MAX_BYTES, read_script

    try:
        script, problems = read_script(read_regular(file, MAX_BYTES))
    except OSError as error:
        raise ProviderError("ERR_SCRIPT", f"{file}: {error.strerror}", hint="name a script") from None
    return script, [f"{file}:{problem}" for problem in sorted(set(problems))]


def _of_document(told: object) -> tuple[ScriptDocument | None, list[str]]:
    from theoryctl_providers.authored.script_check import check_document
    from theoryctl_providers.authored.yaml_document import Document

    try:
        value = json.loads(json.dumps(told, default=_plain, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ProviderError("ERR_SCRIPT", f"the script: {error}", hint=_CHANGE) from None
    script, problems = check_document(Document(value, {}))
    # It has no lines: each problem is told at the first.
    return script, [f"the script: {str(problem).removeprefix('1:1: ')}" for problem in sorted(set(problems))]


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"expected values of JSON, got one of type {type(value).__name__}")
