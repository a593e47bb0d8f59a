"""Whatever LiteLLM and its SDKs raise, as one of our codes.

LiteLLM's own classes mislead: a refused connection is an InternalServerError with status 500, Anthropic's 413 a
BadRequestError with 400. So the truth is looked for along `__cause__` and `__context__`: first an HTTP response that
was really received, then what kind of failure kept one from coming.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from theoryctl_providers.contract import ProviderError

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
_LONGEST_BODY = 1 << 16

_HINTS = {
    "ERR_AUTH": "check the key in {key}: is it whole, current, and of this vendor?",
    "ERR_PERMISSION": "give the key in {key} the right to use this model, or name another with --model",
    "ERR_QUOTA": "top up the account, or use another key",
    "ERR_RATE_LIMITED": "wait, then run it again",
    "ERR_UNAVAILABLE": "wait, then run it again",
    "ERR_UNREACHABLE": "check the network, the proxy settings and LLM_API_BASE",
    "ERR_TIMEOUT": "give it more time: --timeout SECONDS",
    "ERR_MODEL_NOT_FOUND": "check the spelling of the model, and that the account may use it",
    "ERR_CONTEXT_EXCEEDED": "send less: fewer messages, a shorter prompt, smaller attachments",
    "ERR_UNSUPPORTED_PARAM": "leave the parameter out, or name another model with --model",
    "ERR_INPUTS": "change the inputs as the vendor says",
    "ERR_CONTENT_POLICY": "change the prompt or the attachments",
    "ERR_BAD_RESPONSE": "try again",
}


def as_provider_error(
    error: BaseException, *, model: str, begun: bool, clean: Callable[[str], str] = str
) -> ProviderError:
    """The failure of a call to `model` as a ProviderError; `begun` says that a part of the answer had come.

    The vendor's own words are quoted where they help, after `clean` took out secrets, but never with a refused key:
    such bodies may echo a part of it.
    """
    chain = list(_chain(error))
    response = _response(chain)
    if response is None:
        return _without_response(chain, model, begun, clean)
    body = clean(_body(response, error)[:_LONGEST_BODY])
    return answered(int(response.status_code), body, model, _retry_after(response))


def answered(
    status: int, body: str, model: str, retry_after: float | None = None, *, who: str | None = None
) -> ProviderError:
    """The failure that an HTTP error is. `who` answered it is the model's vendor, unless told."""
    code = _code(status, body)
    said = "" if code in ("ERR_AUTH", "ERR_PERMISSION") else _quote(body)
    message = f"{who or _vendor(model)} answered {status} for {model}{said}"
    return _failure(code, message, model, retry_after=retry_after)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__


def _response(chain: list[BaseException]) -> Any:
    """The HTTP response that was really received, if any: the innermost one.

    LiteLLM's classes derive from OpenAI's and carry made-up responses; only the SDK's own are believed.
    """
    import httpx
    import openai

    for error in reversed(chain):
        if isinstance(error, httpx.HTTPStatusError):
            return error.response
        if isinstance(error, openai.APIStatusError) and type(error).__module__.startswith("openai"):
            return error.response
    return None


def _without_response(
    chain: list[BaseException], model: str, begun: bool, clean: Callable[[str], str]
) -> ProviderError:
    import httpx
    import litellm

    vendor = _vendor(model)
    if any(isinstance(error, (TimeoutError, httpx.TimeoutException, litellm.Timeout)) for error in chain):
        return _failure("ERR_TIMEOUT", f"{vendor} sent no complete answer in time for {model}", model)
    if any(isinstance(error, (httpx.TransportError, OSError)) for error in chain):
        if begun:
            return _failure("ERR_BAD_RESPONSE", f"the connection to {vendor} broke in the middle of the answer", model)
        return _failure("ERR_UNREACHABLE", f"no connection to {vendor} for {model}", model)
    return _by_class(chain, model, clean)


def _by_class(chain: list[BaseException], model: str, clean: Callable[[str], str]) -> ProviderError:
    """What LiteLLM refused by itself, or could not understand."""
    import litellm

    if any(isinstance(error, json.JSONDecodeError) for error in chain):
        return _failure("ERR_BAD_RESPONSE", f"the answer of {_vendor(model)} is not the JSON it should be", model)
    told = _told_inside_the_stream(chain)
    if told is not None:
        said = clean(f"{told} {getattr(told, 'body', '')}")
        message = f"{_vendor(model)} said instead of an answer{_quote(clean(str(told)))}"
        return _failure(_code(getattr(told, "status_code", 500), said), message, model)
    outermost = chain[0]
    reason = _quote(clean(str(outermost)).partition("\n")[0])
    if isinstance(outermost, litellm.UnsupportedParamsError):
        return _failure("ERR_UNSUPPORTED_PARAM", f"{model} does not take a parameter{reason}", model)
    if "LLM Provider NOT provided" in str(outermost):
        return _failure("ERR_MODEL_NOT_FOUND", f"LiteLLM knows no vendor for {model}", model)
    if isinstance(outermost, litellm.BadRequestError):
        return _failure("ERR_INPUTS", f"LiteLLM refused the inputs for {model}{reason}", model)
    return _failure("ERR_BAD_RESPONSE", f"LiteLLM could not read the answer of {_vendor(model)}{reason}", model)


def _told_inside_the_stream(chain: list[BaseException]) -> BaseException | None:
    """An error that came as an event of a stream that had begun with status 200."""
    import openai
    from litellm.llms.base_llm.chat.transformation import BaseLLMException

    for error in reversed(chain):
        told = isinstance(error, (openai.APIError, BaseLLMException))
        if told and not type(error).__module__.startswith("litellm.exceptions"):
            return error
    return None


def _code(status: int, body: str) -> str:
    if status in _BODY_STATUSES:
        for code, pattern in _BY_BODY:
            if re.search(pattern, body, re.IGNORECASE):
                return code
    return _BY_STATUS.get(status) or ("ERR_UNAVAILABLE" if status >= 500 else "ERR_INPUTS")


def _failure(code: str, message: str, model: str, *, retry_after: float | None = None) -> ProviderError:
    hint = _HINTS[code].format(key=f"{_vendor(model).upper()}_API_KEY")
    return ProviderError(code, message, hint=hint, retry_after=retry_after)


def _vendor(model: str) -> str:
    return model.partition("/")[0]


def _body(response: Any, error: BaseException) -> str:
    try:
        return str(response.text)
    except Exception:  # the body of a stream that was closed unread: httpx raises one of several for it
        return str(error)


def _quote(body: str) -> str:
    """The vendor's own words, in one short line, without anything that looks like a key."""
    text = re.sub(r"\b(sk|pk|r8|key|gsk|xai)[-_][\w*.-]{6,}|Bearer\s+\S+", "[key]", _said(body))
    text = " ".join(text.split())
    return f": {text[:300]}" if text else ""


def _said(body: str) -> str:
    try:
        parsed = json.loads(body)
    except ValueError:
        return body
    error = parsed.get("error", parsed) if isinstance(parsed, dict) else parsed
    return str(error.get("message", error)) if isinstance(error, dict) else str(error)


def _retry_after(response: Any) -> float | None:
    """Seconds from a Retry-After header (RFC 9110: seconds, or a date), as OpenAI's own client reads it too."""
    value = response.headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        return _seconds_until(value)


def _seconds_until(date: str) -> float | None:
    from datetime import datetime, timezone
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, (parsedate_to_datetime(date) - datetime.now(timezone.utc)).total_seconds())
    except (ValueError, TypeError):
        return None
