"""Content of runs, which is kept on request: inputs and outputs as JSON, without secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from theoryctl_providers.contract import dumps

if TYPE_CHECKING:
    from theoryctl_providers.contract import Envelope, Request


#: The flags whose values are paths, and that say what a mock answers from.
_PATHS = frozenset(("--script", "--replay", "--record-missing"))


class Content(NamedTuple):
    """The inputs and outputs of a run as JSON, without secrets.

    `answers` is JSON too: the flags that say what mock mode answered from. `redacted` tells whether anything was taken
    out of the inputs, and `attached` whether files came with them, which are not kept.
    """

    inputs: str
    outputs: str
    answers: str | None = None
    redacted: bool = False
    attached: bool = False


def content_of(request: Request, envelope: Envelope, answers: Mapping[str, Any]) -> Content | None:
    """Return the content of a run; None for inputs that are no JSON, which ran nowhere.

    `answers` are the values of the flags that say what mock mode answers from.
    """
    from theoryctl_providers.redact import Redactor, secrets_of

    redactor = Redactor(secrets_of(request))
    try:
        inputs = dumps(dict(request.inputs))
        inputs.encode()  # refuses a lone surrogate, which the ledger's file cannot hold
        clean = dumps(redactor.value(json.loads(inputs)))
        outputs = dumps(redactor.value([dict(output) for output in envelope["outputs"]]))
    except (TypeError, ValueError, RecursionError):
        return None
    return Content(clean, outputs, _absolute(answers), clean != inputs, bool(request.attachments))


def _absolute(answers: Mapping[str, Any]) -> str | None:
    """The flags as JSON, for whoever asks again from another folder."""
    paths = {flag: _path(value) if flag in _PATHS else value for flag, value in answers.items()}
    return dumps(paths) if paths else None


def _path(value: Any) -> Any:
    return [_path(each) for each in value] if isinstance(value, (list, tuple)) else str(Path(value).absolute())
