"""Failures as Anthropic says them: a status, headers, and `{"type": "error", "error": {type, message}}`."""

from __future__ import annotations

from typing import Any, ClassVar

from theoryctl_providers.contract import ERRORS, ProviderError, dumps
from theoryctl_providers.wires.failure import Failure, retry_headers
from theoryctl_providers.wires.reply import Whole

#: Anthropic's types of errors by status. docs.anthropic.com/en/api/errors
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}

#: The status that Anthropic has for one of our codes, where it is not that of our table.
_STATUSES = {
    "ERR_USAGE": 404,
    "ERR_CONTEXT_EXCEEDED": 400,
    "ERR_CONTENT_POLICY": 400,
    "ERR_OVERLOADED": 529,
    "ERR_NOT_RUNNING": 529,
    "ERR_UNAVAILABLE": 529,
    "ERR_UNREACHABLE": 500,
    "ERR_BAD_RESPONSE": 500,
}


class NoThread(ProviderError):
    """A request to keep the conversation for later turns, which is done by no other vendor.

    The code in its details makes Anthropic's own agent (`client.beta.messages.tool_runner`) go on by sending the whole
    conversation each time (anthropic 2.14, lib/threads/_thread_state.py, _unsupported_features).
    """

    details: ClassVar = {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}

    def __init__(self) -> None:
        message = "inputs: $.thread: no conversation is kept here; expected all of its messages in each request"
        super().__init__("ERR_UNSUPPORTED_PARAM", message, hint="leave thread out", param="thread")


def error_document(failure: Failure) -> dict[str, Any]:
    """Make the document of a failure, in place of an answer or in the middle of one."""
    run_id = failure.envelope["run_id"] if failure.envelope else None
    error: dict[str, Any] = {"type": _type(_status(failure)), "message": failure.sentence}
    if isinstance(failure.cause, NoThread):
        error |= {"details": failure.cause.details}
    return {"type": "error", "error": error, "request_id": run_id}


def error_answer(failure: Failure) -> Whole:
    """Write a failure in place of an answer, with the status that Anthropic has for it unless there is a better one."""
    status = _status(failure)
    return Whole(dumps(error_document(failure)).encode(), status, retry_headers(failure, status))


def _status(failure: Failure) -> int:
    status = _STATUSES.get(failure.code) or ERRORS[failure.code].http_status
    # The vendor's own word is finer than our code: of what fails at Anthropic, not all is overload.
    told = next((known for known, name in _TYPES.items() if name == failure.cause.vendor_code), None)
    return failure.played_status or told or status


def _type(status: int) -> str:
    return _TYPES.get(status) or ("api_error" if status >= 500 else "invalid_request_error")
