"""Failures as OpenAI says them: a status, headers, and `{"error": {message, type, param, code}}`."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from theoryctl_providers.contract import ERRORS
from theoryctl_providers.wires.failure import Failure, retry_headers
from theoryctl_providers.wires.reply import Whole


class Said(NamedTuple):
    """Status, type and code that OpenAI has for one of ours. platform.openai.com/docs/guides/error-codes."""

    status: int
    type: str
    code: str | None


_INVALID = "invalid_request_error"
_SAID = {
    "ERR_USAGE": Said(404, _INVALID, "unknown_url"),
    "ERR_INPUTS": Said(400, _INVALID, "invalid_value"),
    "ERR_UNSUPPORTED_PARAM": Said(400, _INVALID, "unsupported_parameter"),
    "ERR_ATTACHMENT": Said(400, _INVALID, "invalid_value"),
    "ERR_TOO_LARGE": Said(413, _INVALID, "request_too_large"),
    "ERR_CONTEXT_EXCEEDED": Said(400, _INVALID, "context_length_exceeded"),
    "ERR_CONTENT_POLICY": Said(400, _INVALID, "content_policy_violation"),
    "ERR_MODEL_NOT_FOUND": Said(404, _INVALID, "model_not_found"),
    "ERR_SCRIPT_MISS": Said(404, _INVALID, None),
    "ERR_REPLAY_MISS": Said(404, _INVALID, None),
    "ERR_TOKEN": Said(401, _INVALID, "invalid_api_key"),
    "ERR_AUTH": Said(401, _INVALID, "invalid_api_key"),
    "ERR_MISSING_SECRET": Said(401, _INVALID, "invalid_api_key"),
    "ERR_PERMISSION": Said(403, _INVALID, None),
    "ERR_QUOTA": Said(429, "insufficient_quota", "insufficient_quota"),
    "ERR_RATE_LIMITED": Said(429, "requests", "rate_limit_exceeded"),
    "ERR_OVERLOADED": Said(429, "requests", "rate_limit_exceeded"),
}


def said(code: str) -> Said:
    """Status, type and code of one of our codes; what OpenAI has no words for is a server error of our status."""
    return _SAID.get(code) or Said(ERRORS[code].http_status, "server_error", "server_error")


def error_object(failure: Failure) -> dict[str, Any]:
    """Make the object that stands under `error`. The vendor's own code goes before that of our table."""
    words = said(failure.code)
    return {
        "message": failure.sentence,
        "type": words.type,
        "param": failure.param,
        "code": failure.cause.vendor_code or words.code,
    }


def error_answer(failure: Failure) -> Whole:
    """Write a failure in place of an answer, with the status that OpenAI has for it unless there is a better one."""
    body = json.dumps({"error": error_object(failure)}).encode()
    status = failure.played_status or said(failure.code).status
    return Whole(body, status, retry_headers(failure, status))
