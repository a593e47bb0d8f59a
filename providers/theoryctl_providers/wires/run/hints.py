"""Hints for callers of this wire: in terms of the fields of `/v1/run`'s body, and of its other paths."""

from __future__ import annotations

from theoryctl_providers.asgi.hints import RESTARTED, in_words
from theoryctl_providers.contract import Envelope, Remedy

_FIELDS: dict[str, str] = {
    Remedy.RECORDINGS: "GET /v1/recordings, and DELETE what was written",
    Remedy.MORE_TIME: 'set "timeout", in seconds, beside "inputs"',
    Remedy.MOCK_MODE: 'set "mode" to "mock" beside "inputs", or ask another provider',
    Remedy.EITHER_MODE: 'set "mode" to "mock" or "real"',
}


def in_fields(envelope: Envelope, renewal: str = RESTARTED) -> Envelope:
    """Return the envelope with its hint for whoever wrote a body. `renewal` ends the hint to set a secret."""
    error = envelope["error"]
    if error is None:
        return envelope
    return {**envelope, "error": {**error, "hint": in_words(_FIELDS, error["code"], error["hint"], renewal)}}
