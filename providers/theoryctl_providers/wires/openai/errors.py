"""Failures as OpenAI says them: a status, headers, and `{"error": {message, type, param, code}}`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from theoryctl_providers.contract import ERRORS, ErrorInfo, ProviderError

#: A path into the inputs, as our messages write it.
_PATH = re.compile(r"\$\.(\w+(?:\.\w+|\[\d+\])*)")

#: Seconds after which to try again, where nobody named a time but there is reason to.
_SOON = {"ERR_OVERLOADED": 1.0, "ERR_NOT_RUNNING": 1.0}


class Said(NamedTuple):
    """How OpenAI says one of our codes. platform.openai.com/docs/guides/error-codes."""

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


def error_object(info: ErrorInfo, cause: ProviderError | None, params: Mapping[str, str]) -> dict[str, Any]:
    """What stands under `error`: the texts from `info`, which holds no secrets.

    `params` are paths into the inputs that are called something else in the format that was spoken.
    """
    words = said(info["code"])
    message, hint, param = info["message"], info["hint"], cause.param if cause else None
    if message.startswith("inputs:"):
        message = _PATH.sub(lambda found: "$." + _renamed(found[1], params), message)
    if param is not None:
        renamed = _renamed(param, params)
        hint, param = hint and hint.replace(param, renamed), renamed
    return {
        "message": f"{message} ({hint})" if hint else message,
        "type": words.type,
        "param": param,
        "code": words.code,
    }


def _renamed(param: str, params: Mapping[str, str]) -> str:
    """`messages[0].role` as `input[0].role`, where `messages[0]`, or no more than `messages`, is called by that."""
    ends = [found.start() for found in re.finditer(r"[.[]|$", param)]
    for end in reversed(ends):
        if param[:end] in params:
            return params[param[:end]] + param[end:]
    return param


def error_headers(code: str, cause: ProviderError | None) -> list[tuple[bytes, bytes]]:
    """Our own code, and what OpenAI's clients go by: when to try again, and whether at all."""
    headers = [(b"x-theoryctl-code", code.encode())]
    if code in ("ERR_TOO_LARGE", "ERR_TIMEOUT"):  # the rest of the request may still be on its way
        headers.append((b"connection", b"close"))
    seconds = cause.retry_after if cause and cause.retry_after is not None else _SOON.get(code)
    if seconds is not None:
        # Whole seconds are all the standard knows (RFC 9110); OpenAI's clients read the finer one first.
        headers.append((b"retry-after", b"%d" % math.ceil(seconds)))
        headers.append((b"retry-after-ms", b"%d" % round(seconds * 1000)))
    elif not ERRORS[code].retryable and said(code).status >= 429:
        headers.append((b"x-should-retry", b"false"))
    return headers
