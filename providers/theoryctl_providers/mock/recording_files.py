"""Recordings that are read: people review and edit their files, so these are checked as any other input is."""

from __future__ import annotations

import errno
import re
from functools import cache
from pathlib import Path
from typing import Any

from theoryctl_providers.contract import ProviderError, Recording, Recordings, dumps, loads, read_regular
from theoryctl_providers.contract.recordings import DEPTH
from theoryctl_providers.inputs.validate import problems_of, read_schema

#: Bytes that a recording may have: inputs, and an answer with its outputs.
_MAX_BYTES = 64 << 20

#: What stands where a secret was (`redact.Redactor`). Inputs that hold it are not those the key was made of.
_MARK = re.compile(r"\[[A-Za-z_][A-Za-z0-9_]*\]")


#: The hints on a file, and on a folder, that is not as it should be.
_ANEW = "record it anew, or remove it"
_OTHER_FOLDER = "record something into it first, or name another folder"


def read_recordings(folder: Path) -> Recordings:
    """The recordings in a folder: all its files that end in `.json`.

    Raises ProviderError `ERR_RECORDING` for a folder that cannot be read or has none, and for files that are no
    recordings or are of the same exchange.
    """
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix == ".json" and not file.name.startswith("."))
        found = {file: _read(file) for file in files}
    except OSError as error:
        raise _bad(f"{error.filename or folder}: {error.strerror}", _no_folder(error, folder)) from error
    if not found:
        raise _bad(f"{folder}: expected recordings, got none", _OTHER_FOLDER)
    of_key: dict[tuple[str, int], Path] = {}
    for file, recording in found.items():
        if (other := of_key.setdefault((recording.key, recording.number), file)) is not file:
            raise _bad(f"{file}: it is of the same exchange as {other.name}")
    return Recordings(found.values())


def _read(file: Path) -> Recording:
    try:
        document = loads(_data(file), what=str(file), depth=DEPTH)
        _check(document)
    except ProviderError as error:
        raise _bad(error.message) from None
    except ValueError as error:
        raise _bad(f"{file}: {error}") from None
    return Recording.load(document)


def _data(file: Path) -> bytes:
    data = read_regular(file, _MAX_BYTES)
    if len(data) > _MAX_BYTES:
        raise OSError(errno.EFBIG, f"it has more than {_MAX_BYTES} bytes", str(file))
    return data


def _check(document: Any) -> None:
    """Raise ValueError, with every problem as `path: expected …, got …`, for a document that is no recording.

    So is one whose inputs were edited: its key would be found by what was asked before.
    """
    problems = problems_of(document, _schema())
    if problems:
        raise ValueError("\n  ".join(problems))
    key = Recording.key_for(document["operation"], document["inputs"])
    if document["key"] != key and not _MARK.search(dumps(document["inputs"])):
        raise ValueError(f"$.key: expected {key}, that of its operation and inputs, got {document['key']}")


@cache
def _schema() -> dict[str, Any]:
    return read_schema(Path(__file__).with_name("recording.schema.json"))


def _no_folder(error: OSError, folder: Path) -> str:
    """The hint where the folder, or a file in it, cannot be read."""
    return _OTHER_FOLDER if error.filename in (None, str(folder), folder) else _ANEW


def _bad(message: str, hint: str = _ANEW) -> ProviderError:
    return ProviderError("ERR_RECORDING", message, hint=hint)
