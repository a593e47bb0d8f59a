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


def in_headers(code: str, hint: str | None) -> str | None:
    """The hint of an error for whoever speaks a vendor's format."""
    return _restart(code, hint) or _HEADERS.get(hint or "", hint)


def in_fields(envelope: Envelope) -> Envelope:
    """The envelope with its hint for whoever wrote a body of `/v1/run`."""
    error = envelope["error"]
    if error is None:
        return envelope
    hint = _restart(error["code"], error["hint"]) or _FIELDS.get(error["hint"] or "", error["hint"])
    return {**envelope, "error": {**error, "hint": hint}}


def _restart(code: str, hint: str | None) -> str | None:
    """A secret is an instance's from its start."""
    return f"{hint}, and start the instance again" if code == "ERR_MISSING_SECRET" and hint else None
