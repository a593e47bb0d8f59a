"""Failures as Google says them: a status and `{"error": {code, message, status}}`."""

from __future__ import annotations

from typing import Any

from theoryctl_providers.contract import ERRORS
from theoryctl_providers.wires.failure import Failure

#: The names of statuses (cloud.google.com/apis/design/errors).
_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

#: The status that Gemini has for one of our codes, where it is not that of our table.
_STATUSES = {
    "ERR_USAGE": 404,
    "ERR_CONTEXT_EXCEEDED": 400,
    "ERR_CONTENT_POLICY": 400,
    "ERR_QUOTA": 429,
    "ERR_OVERLOADED": 503,
}


def status_of(failure: Failure) -> int:
    """The status of a failure in place of an answer."""
    return failure.played_status or _STATUSES.get(failure.code) or ERRORS[failure.code].http_status


def error_document(failure: Failure) -> dict[str, Any]:
    """Make the document of a failure, in place of an answer or in the middle of one."""
    status = status_of(failure)
    name = _NAMES.get(status) or ("INTERNAL" if status >= 500 else "FAILED_PRECONDITION")
    return {"error": {"code": status, "message": failure.sentence, "status": name}}
