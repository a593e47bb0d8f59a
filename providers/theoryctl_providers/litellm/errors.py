"""Turn the exceptions of LiteLLM and its SDKs into our codes.

LiteLLM's own classes mislead: a refused connection is an InternalServerError with status 500, Anthropic's 413 a
BadRequestError with 400. So the truth is looked for along `__cause__` and `__context__`: first an HTTP response that
was really received, then what kind of failure kept one from coming.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from theoryctl_providers.contract import ProviderError, install_command
from theoryctl_providers.litellm.addresses import at_address, hint_for, replace_hint, shown
from theoryctl_providers.litellm.arguments import without
from theoryctl_providers.litellm.told import ToldInAnswer, status_of
from theoryctl_providers.litellm.vendors import vendor_for
from theoryctl_providers.status import LONGEST_BODY, answered, body_of, code_of, failure_of, quote, vendor_of


def as_provider_error(
    error: BaseException,
    *,
    model: str,
    begun: bool,
    clean: Callable[[str], str] = str,
    address: str | None = None,
    redirect: Any = None,
) -> ProviderError:
    """The failure of a call to `model` at `address` as a ProviderError; `begun` says that part of the answer had come.

    `redirect` is a response of httpx's, where the last that came was a redirect that was not followed: whatever library
    got it, and whatever LiteLLM made of that, it is the cause.

    The vendor's own words are quoted where they help, after `clean` took out secrets, but never with a refused key:
    such bodies may echo a part of it.
    """
    if redirect is not None:
        return _redirected(redirect, model, address, clean)
    chain = list(_chain(error))
    if (missing := _missing(chain)) is not None:
        return without(missing, model)
    for each in chain:  # what reads for LiteLLM raises ours, which LiteLLM wraps
        if isinstance(each, ProviderError):
            each.message = at_address(each.message, address)
            return each
        if isinstance(each, ToldInAnswer):
            return _told(each.error, model, clean, at_address(vendor_of(model), address))
    response = _response(chain)
    who = at_address(vendor_of(model), address)
    if response is None:
        return _without_response(chain, _Asked(model, who, address), begun, clean)
    body = clean(body_of(response, error)[:LONGEST_BODY])
    failure = answered(int(response.status_code), body, model, retry_after(response), who=who)
    if response.headers.get("x-should-retry") == "false":  # OpenAI and Anthropic know better than their status says
        failure.retryable = False
    return replace_hint(failure, hint_for(failure.code, model, address, body))


def _redirected(response: Any, model: str, address: str | None, clean: Callable[[str], str]) -> ProviderError:
    """The failure of a call whose vendor names another address: keys and prompts go to none but its own."""
    from theoryctl_providers.litellm.redirects import LED_TO, MOST_REDIRECTS, REDIRECTS, is_of

    request, vendor = response.request, vendor_for(model)
    is_vendors = address is not None and is_of(address, request.url)  # and not the address of its tokens
    who = at_address(vendor_of(model), address if is_vendors else str(request.url.join("/")).rstrip("/"))
    moved = clean(shown(response.extensions[LED_TO]))[:200]
    before = request.extensions.get(REDIRECTS, 0)
    after = f" after {before} others" if before >= MOST_REDIRECTS else ""
    message = f"{who} answered {response.status_code} for {model}: a redirect to {moved}{after}, which is not followed"
    hint = "check the network and the proxy settings"
    if is_vendors and vendor is not None and vendor.addresses:
        hint = f"set {vendor.addresses[0]} to the address that {vendor.title} has now"
    failure = ProviderError("ERR_UNREACHABLE", message, hint=hint)
    failure.retryable = False
    return failure


@dataclass(frozen=True, slots=True)
class _Asked:
    """The model that was asked, who was asked in words, and the address."""

    model: str
    who: str
    address: str | None

    def failure(self, code: str, message: str, reason: str = "") -> ProviderError:
        return replace_hint(failure_of(code, message), hint_for(code, self.model, self.address, reason))


def _told(error: Any, model: str, clean: Callable[[str], str], who: str) -> ProviderError:
    """A failure inside an answer of status 200, as if the vendor had answered with the status that it means."""
    body = clean(json.dumps({"error": error}))[:LONGEST_BODY]
    failure = answered(status_of(error), body, model, who=who, how="failed in its answer")
    if isinstance(error, str):  # a vendor that has no word for it does not call it transient
        failure.retryable = False
    return failure


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
    chain: list[BaseException], asked: _Asked, begun: bool, clean: Callable[[str], str]
) -> ProviderError:
    if _is_late(chain):
        return asked.failure("ERR_TIMEOUT", f"{asked.who} sent no complete answer in time for {asked.model}")
    if _is_broken(chain):
        if begun:
            message = f"the connection to {asked.who} broke in the middle of the answer"
            return asked.failure("ERR_BAD_RESPONSE", message)
        reason = " ".join(map(str, chain))
        return asked.failure("ERR_UNREACHABLE", f"no connection to {asked.who} for {asked.model}", reason)
    return _by_class(chain, asked, begun, clean)


def _missing(chain: list[BaseException]) -> str | None:
    """The end of the variable without which a request would have been misdirected; None where none would."""
    from theoryctl_providers.litellm.transport import Misdirected

    return next((error.args[0] for error in chain if isinstance(error, Misdirected)), None)


def is_lost(error: BaseException) -> bool:
    """Return whether a failure is that of a connection: it broke, or it was waited for in vain."""
    chain = list(_chain(error))
    return _is_late(chain) or _is_broken(chain)


def _is_late(chain: list[BaseException]) -> bool:
    import httpx
    import litellm

    return any(isinstance(error, (TimeoutError, httpx.TimeoutException, litellm.Timeout)) for error in chain)


def _is_broken(chain: list[BaseException]) -> bool:
    import httpx

    return any(isinstance(error, (httpx.TransportError, OSError)) for error in chain)


def _by_class(chain: list[BaseException], asked: _Asked, begun: bool, clean: Callable[[str], str]) -> ProviderError:
    """Make the error for a call that LiteLLM refused by itself, or, where it has `begun`, could not understand."""
    import litellm

    model = asked.model
    if (unmet := _unmet(chain, asked, clean)) is not None:
        return unmet
    if any(isinstance(error, json.JSONDecodeError) for error in chain):
        return asked.failure("ERR_BAD_RESPONSE", f"the answer of {asked.who} is not the JSON it should be")
    told = _told_inside_the_stream(chain)
    if told is not None and not (begun and _is_of_litellm(told, chain)):
        said = clean(f"{told} {getattr(told, 'body', '')}"[:LONGEST_BODY])
        message = f"{asked.who} said instead of an answer{quote(clean(str(told)[:LONGEST_BODY]))}"
        return asked.failure(code_of(getattr(told, "status_code", 500), said), message)
    outermost = chain[0]
    reason = quote(clean(str(outermost)[:LONGEST_BODY]).partition("\n")[0])
    if begun:
        return _unread(asked, reason)
    if isinstance(outermost, litellm.UnsupportedParamsError):
        return failure_of("ERR_UNSUPPORTED_PARAM", f"{model} does not take a parameter{reason}")
    if "LLM Provider NOT provided" in str(outermost):
        return failure_of("ERR_MODEL_NOT_FOUND", f"LiteLLM knows no vendor for {model}")
    if isinstance(outermost, litellm.BadRequestError):
        return failure_of("ERR_INPUTS", f"LiteLLM refused the inputs for {model}{reason}")
    return _unread(asked, reason)


def _unread(asked: _Asked, reason: str) -> ProviderError:
    return asked.failure("ERR_BAD_RESPONSE", f"LiteLLM could not read the answer of {asked.who}{reason}")


def _unmet(chain: list[BaseException], asked: _Asked, clean: Callable[[str], str]) -> ProviderError | None:
    """The error for a package or credentials that this machine lacks; None where it has both."""
    vendor = vendor_of(asked.model)
    for error in chain:
        if isinstance(error, ModuleNotFoundError) and error.name:
            package = _PACKAGES.get(error.name.partition(".")[0], error.name.partition(".")[0])
            message = f"{vendor} needs the package {package}, which is not installed here"
            return ProviderError("ERR_PROVIDER", message, hint=install_command(package))
        if type(error).__module__ == "google.auth.exceptions":
            message = f"{vendor}: no access with the credentials of Google Cloud{quote(clean(str(error)))}"
            return ProviderError("ERR_AUTH", message, hint=_GOOGLE)
    return None


#: Packages whose name is not that of their module.
_PACKAGES = {"google": "google-auth"}

_GOOGLE = "set VERTEXAI_CREDENTIALS to the key of a service account, as JSON or as its file's path"


def _told_inside_the_stream(chain: list[BaseException]) -> BaseException | None:
    """An error that came as an event of a stream that had begun with status 200."""
    import openai
    from litellm.llms.base_llm.chat.transformation import BaseLLMException

    for error in reversed(chain):
        told = isinstance(error, (openai.APIError, BaseLLMException))
        if told and not type(error).__module__.startswith("litellm.exceptions"):
            return error
    return None


def _is_of_litellm(told: BaseException, chain: list[BaseException]) -> bool:
    """Return whether LiteLLM itself says, over an answer of status 200, what looks like the vendor's words.

    It wraps its own exceptions, repeats the status, and says 502 of a stream of Bedrock's without events
    (bedrock/chat/invoke_handler.py), where AWS tells none.
    """
    status = getattr(told, "status_code", 500)
    return told is not chain[-1] or not isinstance(status, int) or status < 400 or status == 502


def retry_after(response: Any) -> float | None:
    """Return the seconds that a Retry-After header tells (RFC 9110: seconds, or a date); None without one."""
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
