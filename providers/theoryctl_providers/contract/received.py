"""Check envelopes and errors that came over a wire: whoever answered may be anybody."""

from __future__ import annotations

import base64
from typing import Any

from theoryctl_providers.contract.envelope import Envelope, ErrorInfo
from theoryctl_providers.contract.errors import ERRORS
from theoryctl_providers.contract.from_json import shaped
from theoryctl_providers.contract.json_text import MAX_DEPTH, json_problem

#: An output may be as deep as any JSON, and lies a little deeper in an envelope.
_DEPTH = MAX_DEPTH + 10

#: The end of the integers that SQLite holds.
_LARGEST = 1 << 63

_VALUES = ("text", "json", "base64", "path")


def received_envelope(value: Any) -> Envelope:
    """Return an envelope that is one; what another version does not say is null in it.

    Raises ValueError, with the place of what does not fit.
    """
    _must_be_json(value)
    envelope: Envelope = shaped(Envelope, value)
    if envelope["status"] != ("success" if envelope["error"] is None else "error"):
        raise ValueError(f"$.status: expected one that goes with the error, got {envelope['status']}")
    _must_be_counted(envelope)
    if envelope["error"] is not None:
        _must_be_known(envelope["error"])
    for index, output in enumerate(envelope["outputs"]):
        if len([name for name in _VALUES if name in output]) != 1:
            raise ValueError(f"$.outputs[{index}]: expected one of {', '.join(_VALUES)}")
        base64.b64decode(output.get("base64", ""), validate=True)
    return envelope


def received_error(value: Any) -> ErrorInfo:
    """Return an error object that is one. Raises ValueError."""
    _must_be_json(value)
    info: ErrorInfo = shaped(ErrorInfo, value)
    _must_be_known(info)
    return info


def _must_be_json(value: Any) -> None:
    """Refuse NaN, halves of surrogate pairs and the like, which could not be written again."""
    if problem := json_problem(value, _DEPTH):
        raise ValueError(problem)


def _must_be_counted(envelope: Envelope) -> None:
    """Refuse a time that no clock measured, and numbers above 64 bits, which neither tables nor sums of counts hold."""
    meta = envelope["meta"]
    if meta["duration_ms"] < 0:
        raise ValueError(f"$.meta.duration_ms: expected 0 or more, got {meta['duration_ms']}")
    for value in (meta["duration_ms"], meta["loading_ms"], *envelope["usage"].values()):
        if isinstance(value, int) and not -_LARGEST < value < _LARGEST:
            raise ValueError(f"expected numbers below {_LARGEST}, got {value}")


def _must_be_known(error: ErrorInfo) -> None:
    if error["code"] not in ERRORS:
        raise ValueError(f"$.code: expected one of the table's, got {error['code'][:200]!r}")
