"""A failure as a dialect is told of it: the engine's error, in the words of the request."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import Scope

from theoryctl_providers.asgi.connection import note_refusal
from theoryctl_providers.asgi.hints import RESTARTED, in_headers
from theoryctl_providers.contract import Envelope, ErrorInfo, ProviderError, Remedy, Result, inputs_of
from theoryctl_providers.contract.envelope import info_of

#: A path into the inputs, as the engine's messages write it.
_PATH = re.compile(r"\$\.(\w+(?:\.\w+|\[\d+\])*)")
#: Such a path in a hint that says the values to set.
_SET = re.compile(r"\bset (\w+(?:\.\w+|\[\d+\])*) to ")

#: Seconds after which to try again, where nobody named a time but there is reason to.
_SOON = {"ERR_OVERLOADED": 1.0, "ERR_NOT_RUNNING": 1.0}

#: Statuses after which clients of OpenAI and Anthropic try again unless they are told not to (_should_retry in
#: _base_client.py of both).
_TRIED_AGAIN = frozenset((408, 409, 429, *range(500, 600)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A request that failed.

    `info` holds no secrets. `cause` is the error as it was raised, whose texts may hold some: it is there for
    `retry_after` and the like. `param` is the parameter at fault, as the request calls it. `status` is the server's own
    choice, and comes before the code's. `envelope` is the run's; None where the request was refused before it was one.
    `renewal` is the tenant's.
    """

    info: ErrorInfo
    cause: ProviderError
    param: str | None = None
    status: int | None = None
    envelope: Envelope | None = None
    renewal: str = RESTARTED

    @property
    def code(self) -> str:
        """Our code for it, a key of `ERRORS`."""
        return self.info["code"]

    @property
    def sentence(self) -> str:
        """The message with its hint, for whoever speaks a vendor's format."""
        message, hint = self.info["message"], in_headers(self.code, self.info["hint"], self.renewal)
        return f"{message} ({hint})" if hint else message

    @property
    def retry_after(self) -> float | None:
        """The seconds after which to try again; None where nobody knows."""
        told = self.cause.retry_after
        return _SOON.get(self.code) if told is None else told

    @property
    def may_pass(self) -> bool:
        """Return whether a client should try again: the failure may pass, and nothing was paid for.

        A vendor's answer that broke off is billed. One that a script plays tests what clients do of themselves.
        """
        return hasattr(self.cause, "kind") or (self.info["retryable"] and self.code != "ERR_BAD_RESPONSE")

    @property
    def played_status(self) -> int | None:
        """The status that the server chose, or a script that plays a vendor; None: that of the code."""
        played: int | None = getattr(self.cause, "status", None)
        return self.status or played


def retry_headers(failure: Failure, status: int) -> list[tuple[bytes, bytes]]:
    """Our own code, and what clients of OpenAI and Anthropic go by: when to try again, and whether at all."""
    headers = [(b"x-theoryctl-code", failure.code.encode())]
    if (seconds := failure.retry_after) is not None:
        # Whole seconds are all the standard knows (RFC 9110); these clients read the finer one first.
        headers.append((b"retry-after", b"%d" % math.ceil(seconds)))
        headers.append((b"retry-after-ms", b"%d" % round(seconds * 1000)))
    if not failure.may_pass and status in _TRIED_AGAIN:
        headers.append((b"x-should-retry", b"false"))
    return headers


def refused(scope: Scope, error: ProviderError, status: int | None = None) -> Failure:
    """Make the failure of a request that did not become a run, or whose answer cannot be written, and note it."""
    note_refusal(scope, error)
    return Failure(info=info_of(error), cause=error, param=error.param, status=status)


def failed(result: Result, params: Mapping[str, str], renewal: str = RESTARTED) -> Failure:
    """Make the failure of a run. `params` are paths into the inputs that the request calls something else."""
    info, cause = result.envelope["error"], result.cause
    assert info is not None and cause is not None
    param = cause.param and _renamed(cause.param, params)
    info = _reworded(info, cause.param, params) if params else info
    return Failure(info=info, cause=cause, param=param, envelope=result.envelope, renewal=renewal)


def _reworded(info: ErrorInfo, param: str | None, params: Mapping[str, str]) -> ErrorInfo:
    message, hint = info["message"], info["hint"]
    if message.startswith("inputs:"):
        message = _PATH.sub(lambda found: "$." + _renamed(found[1], params), message)
    if hint and inputs_of(hint):  # by their names in a schema that is not this request's
        hint = Remedy.SCHEMA
    elif hint and hint.startswith("set "):
        hint = _SET.sub(lambda found: f"set {_renamed(found[1], params)} to ", hint)
    elif param and hint:
        hint = hint.replace(param, _renamed(param, params))
    return {**info, "message": message, "hint": hint}


def _renamed(param: str, params: Mapping[str, str]) -> str:
    """`messages[0].role` as `input[0].role`, where `messages[0]`, or no more than `messages`, is called by that."""
    ends = [found.start() for found in re.finditer(r"[.[]|$", param)]
    for end in reversed(ends):
        if param[:end] in params:
            return params[param[:end]] + param[end:]
    return param
