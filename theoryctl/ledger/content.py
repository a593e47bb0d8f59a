"""Content of runs, which is kept on request: inputs and outputs as JSON, without secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from theoryctl_providers.contract import dumps

if TYPE_CHECKING:
    from theoryctl_providers.contract import Envelope, Request


class Content(NamedTuple):
    """The inputs and outputs of a run as JSON, without secrets.

    `answers` is JSON too: the files that mock mode answered from, by flag. `redacted` tells whether anything was taken
    out of the inputs, and `attached` whether files came with them, which are not kept.
    """

    inputs: str
    outputs: str
    answers: str | None = None
    redacted: bool = False
    attached: bool = False


def content_of(request: Request, envelope: Envelope, answers: Mapping[str, str]) -> Content | None:
    """Return the content of a run; None for inputs that are no JSON, which ran nowhere.

    `answers` are the paths of scripts and recordings, by flag.
    """
    from theoryctl_providers.redact import Redactor, secrets_of

    redactor = Redactor(secrets_of(request))
    try:
        inputs = dumps(dict(request.inputs))
        clean = dumps(redactor.value(json.loads(inputs)))
        outputs = dumps(redactor.value([dict(output) for output in envelope["outputs"]]))
    except (TypeError, ValueError, RecursionError):
        return None
    return Content(clean, outputs, _absolute(answers), clean != inputs, bool(request.attachments))


def _absolute(answers: Mapping[str, str]) -> str | None:
    paths: dict[str, Any] = {flag: str(Path(path).absolute()) for flag, path in answers.items()}
    return dumps(paths) if paths else None
