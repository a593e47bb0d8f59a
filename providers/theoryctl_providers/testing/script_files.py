"""Scripts for tests: documents, or files of JSON or YAML, read as strictly as by the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from theoryctl_providers.contract import ProviderError, Script, read_regular
from theoryctl_providers.contract.script_document import is_free

#: A script: its document, or the path of a file.
Told = Mapping[str, Any] | str | Path

#: Answers are text to read; what is larger is a mistake.
_MAX_BYTES = 4 << 20


def script_of(told: Told) -> Script:
    """Return the script of a document, or of the file at a path. JSON is read as YAML, of which it is a part.

    Raises ProviderError `ERR_SCRIPT` with every problem of the file, or the first of its meaning.
    """
    where = "the script" if isinstance(told, Mapping) else str(told)
    try:
        return Script.load(told if isinstance(told, Mapping) else _document(Path(told)))
    except ValueError as error:
        raise ProviderError("ERR_SCRIPT", f"{where}: {error}", hint="change the script") from None


def _document(file: Path) -> Any:
    from theoryctl_providers.authored.yaml_document import YAMLProblems, parse

    try:
        document = parse(read_regular(file, _MAX_BYTES), _MAX_BYTES)
    except OSError as error:
        raise ProviderError("ERR_SCRIPT", f"{file}: {error.strerror}", hint="name a script") from None
    except YAMLProblems as error:
        raise _bad(file, error.problems) from None
    surprises = (document.problem(path, what) for path, what in document.surprises.items() if is_free(path))
    if problems := sorted((*document.problems, *surprises)):
        raise _bad(file, problems)
    return document.value


def _bad(file: Path, problems: Iterable[object]) -> ProviderError:
    return ProviderError("ERR_SCRIPT", "\n".join(f"{file}:{each}" for each in problems), hint="change the script")
