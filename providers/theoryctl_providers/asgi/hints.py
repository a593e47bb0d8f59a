"""Hints for callers over HTTP: in terms of headers and fields of the body."""

from __future__ import annotations

from theoryctl_providers.contract import Envelope, Remedy

_EVERYWHERE: dict[str, str] = {Remedy.RECORDINGS: "GET /v1/recordings, and DELETE what was written"}

#: For a body that has a vendor's form, and so no place for what is ours.
_HEADERS: dict[str, str] = _EVERYWHERE | {
    Remedy.MORE_TIME: "raise resources.timeout in the manifest, and start the instance again",
    Remedy.MOCK_MODE: "send the header X-Theoryctl-Mode: mock, or ask another provider",
    Remedy.EITHER_MODE: "send the header X-Theoryctl-Mode with mock or real",
}

#: For the body of `/v1/run`.
_FIELDS: dict[str, str] = _EVERYWHERE | {
    Remedy.MORE_TIME: 'set "timeout", in seconds, beside "inputs"',
    Remedy.MOCK_MODE: 'set "mode" to "mock" beside "inputs", or ask another provider',
    Remedy.EITHER_MODE: 'set "mode" to "mock" or "real"',
}


#: When a secret that is set is there: an instance has those of its start.
RESTARTED = ", and start the instance again"


def in_headers(code: str, hint: str | None, renewal: str = RESTARTED) -> str | None:
    """The hint of an error for whoever speaks a vendor's format. `renewal` ends the hint to set a secret."""
    return _renewed(code, hint, renewal) or _HEADERS.get(hint or "", hint)


def in_fields(envelope: Envelope, renewal: str = RESTARTED) -> Envelope:
    """The envelope with its hint for whoever wrote a body of `/v1/run`. `renewal` ends the hint to set a secret."""
    error = envelope["error"]
    if error is None:
        return envelope
    hint = _renewed(error["code"], error["hint"], renewal) or _FIELDS.get(error["hint"] or "", error["hint"])
    return {**envelope, "error": {**error, "hint": hint}}


def _renewed(code: str, hint: str | None, renewal: str) -> str | None:
    return f"{hint}{renewal}" if code == "ERR_MISSING_SECRET" and hint else None
