"""Turn an HTTP status and its body, answered by a vendor or a script, into one of our error codes."""

from __future__ import annotations

import json
import re
from typing import Any

from theoryctl_providers.contract import ProviderError, Remedy
from theoryctl_providers.contract.key_shapes import KEY

_BY_STATUS = {
    400: "ERR_INPUTS",
    401: "ERR_AUTH",
    402: "ERR_QUOTA",
    403: "ERR_PERMISSION",
    404: "ERR_MODEL_NOT_FOUND",
    408: "ERR_TIMEOUT",
    413: "ERR_CONTEXT_EXCEEDED",
    422: "ERR_INPUTS",
    429: "ERR_RATE_LIMITED",
}


# What the body says outranks its status: OpenAI sends 429 for an empty account, and 400 for half a dozen things.
_BY_BODY = (
    (
        "ERR_QUOTA",
        r"insufficient_quota|exceeded your current quota|credit balance is too low|billing_(hard_limit|not_active)",
    ),
    ("ERR_CONTEXT_EXCEEDED", r"context_length_exceeded|context window|maximum context length|prompt is too long"),
    ("ERR_CONTENT_POLICY", r"content_policy|content_filter|content management policy|safety system|responsible ?ai"),
    ("ERR_MODEL_NOT_FOUND", r"model_not_found|model .{0,80}(does not exist|not found)"),
    ("ERR_UNSUPPORTED_PARAM", r"unsupported_(parameter|value)|unsupported parameter|does not support"),
)


_BODY_STATUSES = (400, 402, 403, 404, 413, 422, 429)


#: How much of a body is read for a reason, in characters: searching megabytes would outlast the time-out.
LONGEST_BODY = 1 << 16

#: How much of a reason is quoted, and searched for keys, each of which gives way to a few characters.
_LONGEST_QUOTED, _LONGEST_SEARCHED = 300, 2_000


_HINTS: dict[str, str] = {
    "ERR_AUTH": Remedy.KEY,
    "ERR_PERMISSION": Remedy.PERMISSION,
    "ERR_QUOTA": "top up the account, or use another key",
    "ERR_RATE_LIMITED": "wait, then run it again",
    "ERR_UNAVAILABLE": "wait, then run it again",
    "ERR_UNREACHABLE": "check the network and the proxy settings",
    "ERR_TIMEOUT": Remedy.MORE_TIME,
    "ERR_MODEL_NOT_FOUND": "check the spelling of the model, and that the account may use it",
    "ERR_CONTEXT_EXCEEDED": "send less: fewer messages, a shorter prompt, smaller attachments",
    "ERR_UNSUPPORTED_PARAM": "leave the parameter out, or name another model",
    "ERR_INPUTS": "change the inputs as the vendor says",
    "ERR_CONTENT_POLICY": "change the prompt or the attachments",
    "ERR_BAD_RESPONSE": "try again",
}


def answered(
    status: int,
    body: str,
    model: str,
    retry_after: float | None = None,
    *,
    who: str | None = None,
    how: str | None = None,
) -> ProviderError:
    """The failure that an HTTP error is. `who` answered is the model's vendor, and `how` is with the status, unless
    told."""
    code = code_of(status, body)
    said = "" if code in ("ERR_AUTH", "ERR_PERMISSION") else quote(body)
    message = f"{who or vendor_of(model)} {how or f'answered {status}'} for {model}{said}"
    failure = failure_of(code, message, retry_after=retry_after)
    failure.param, failure.vendor_code = _told_of(body)
    return failure


def _told_of(body: str) -> tuple[str | None, str | None]:
    """The parameter that an error object in OpenAI's format is about, and the vendor's own code."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return None, None
    error = parsed.get("error") if isinstance(parsed, dict) else None
    found = [error.get(name) if isinstance(error, dict) else None for name in ("param", "code")]
    param, code = (value if isinstance(value, str) and value else None for value in found)
    return param, code


#: What a server of one's own says with 500 or 501 although no later try would go better.
_PERMANENT = r"(is|are) not supported|does not support|not (yet )?implemented|unsupported"


def code_of(status: int, body: str) -> str:
    """The code of an HTTP error: what its body says outranks its status."""
    if status == 501 or (status == 500 and re.search(_PERMANENT, body, re.IGNORECASE)):
        return "ERR_UNSUPPORTED_PARAM"
    if status in _BODY_STATUSES:
        for code, pattern in _BY_BODY:
            if re.search(pattern, body, re.IGNORECASE):
                return code
    return _BY_STATUS.get(status) or ("ERR_UNAVAILABLE" if status >= 500 else "ERR_INPUTS")


def failure_of(code: str, message: str, *, retry_after: float | None = None) -> ProviderError:
    """Make the error of a call, with the hint that its code has; `retry_after` is in seconds."""
    return ProviderError(code, message, hint=_HINTS[code], retry_after=retry_after)


def vendor_of(model: str) -> str:
    """Return the part of a model's name before the slash."""
    return model.partition("/")[0]


def body_of(response: Any, error: BaseException) -> str:
    """Return the body of a response, else what the error says."""
    try:
        return str(response.text)
    except Exception:  # the body of a stream that was closed unread: httpx raises one of several for it
        return str(error)


def quote(body: str) -> str:
    """The vendor's own words, in one short line, without anything that looks like a key."""
    text = KEY.sub("[key]", " ".join(_said(body).split())[:_LONGEST_SEARCHED])[:_LONGEST_QUOTED]
    return f": {text}" if text else ""


def _said(body: str) -> str:
    try:
        parsed = json.loads(body)
    except ValueError:
        return body
    error = parsed.get("error", parsed) if isinstance(parsed, dict) else parsed
    return str(error.get("message", error)) if isinstance(error, dict) else str(error)
