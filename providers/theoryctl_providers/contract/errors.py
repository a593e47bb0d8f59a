"""The one table of error codes, and the exception that carries them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Literal, NamedTuple


class ErrorSpec(NamedTuple):
    """The meaning of a code: the CLI's exit status, whether a retry may help, the server's HTTP status."""

    exit_status: int
    retryable: bool
    http_status: int
    meaning: str


ERRORS: dict[str, ErrorSpec] = {
    "ERR_USAGE": ErrorSpec(2, False, 400, "an unknown, missing or conflicting flag or argument"),
    "ERR_REF": ErrorSpec(2, False, 400, "a provider ref does not have the form namespace/name@version"),
    "ERR_REF_NOT_FOUND": ErrorSpec(3, False, 404, "no manifest for this ref in the folders that were searched"),
    "ERR_MANIFEST": ErrorSpec(3, False, 400, "a manifest is invalid"),
    "ERR_INPUTS": ErrorSpec(3, False, 400, "the inputs are invalid for this provider"),
    "ERR_ATTACHMENT": ErrorSpec(
        3, False, 400, "an attachment is missing, unreadable, too large or not referenced rightly"
    ),
    "ERR_UNSUPPORTED_PARAM": ErrorSpec(3, False, 400, "the provider or model does not support an input"),
    "ERR_SCRIPT": ErrorSpec(3, False, 400, "a script of mock answers is invalid"),
    "ERR_SCRIPT_MISS": ErrorSpec(
        3, False, 404, "no rule of a strict script matches the request, or the tool that it calls is not offered"
    ),
    "ERR_RECORDING": ErrorSpec(3, False, 400, "a recording is missing, unreadable or invalid"),
    "ERR_REPLAY_MISS": ErrorSpec(3, False, 404, "no recording matches the request"),
    "ERR_MISSING_SECRET": ErrorSpec(4, False, 401, "a secret that the model needs is unset or empty"),
    "ERR_TOKEN": ErrorSpec(4, False, 401, "a request to a started instance lacks its token"),
    "ERR_AUTH": ErrorSpec(4, False, 401, "the vendor refused the key"),
    "ERR_PERMISSION": ErrorSpec(4, False, 403, "the key is valid, but lacks a permission"),
    "ERR_QUOTA": ErrorSpec(1, False, 402, "the account's credit or quota is used up"),
    "ERR_RATE_LIMITED": ErrorSpec(1, True, 429, "too many requests; the retries failed too"),
    "ERR_UNREACHABLE": ErrorSpec(1, True, 502, "no connection to the vendor"),
    "ERR_UNAVAILABLE": ErrorSpec(1, True, 503, "the vendor reported a failure or an overload"),
    "ERR_BAD_RESPONSE": ErrorSpec(1, True, 502, "the vendor's answer is invalid or incomplete"),
    "ERR_MODEL_NOT_FOUND": ErrorSpec(1, False, 404, "the model or its vendor is unknown"),
    "ERR_CONTEXT_EXCEEDED": ErrorSpec(1, False, 413, "the request is larger than the model accepts"),
    "ERR_CONTENT_POLICY": ErrorSpec(1, False, 422, "the vendor's content policy refused the request"),
    "ERR_PROVIDER": ErrorSpec(1, False, 500, "the provider's code failed, or a package that it needs is missing"),
    "ERR_TOO_LARGE": ErrorSpec(3, False, 413, "a request is larger than the instance accepts"),
    "ERR_OVERLOADED": ErrorSpec(5, True, 429, "the instance already handles as many requests as it accepts"),
    "ERR_START": ErrorSpec(5, False, 500, "an instance did not become ready"),
    "ERR_NOT_RUNNING": ErrorSpec(5, True, 503, "the instance is not running, or is stopping"),
    "ERR_DOCKER": ErrorSpec(5, True, 503, "Docker does not answer, or refused a request"),
    "ERR_REGISTRY": ErrorSpec(5, True, 503, "a registry does not answer, or failed"),
    "ERR_REGISTRY_AUTH": ErrorSpec(4, False, 401, "a registry requires credentials, or refused them"),
    "ERR_IMAGE_NOT_FOUND": ErrorSpec(6, False, 404, "the registry has no such image"),
    "ERR_BUILD": ErrorSpec(1, False, 500, "an image could not be built"),
    "ERR_NOT_PINNED": ErrorSpec(6, False, 400, "an image has no digest, and cannot be built here"),
    "ERR_PLATFORM": ErrorSpec(6, False, 400, "an image does not exist for this platform, or is for another"),
    "ERR_DIGEST_DRIFT": ErrorSpec(6, False, 409, "what is running is not what the manifest says now"),
    "ERR_VERIFICATION": ErrorSpec(6, False, 502, "the content received does not match its digest"),
    "ERR_MODAL_AUTH": ErrorSpec(4, False, 401, "Modal has no valid token"),
    "ERR_MODAL_UNAVAILABLE": ErrorSpec(
        5, True, 503, "Modal does not answer, closed the connection, or limits requests"
    ),
    "ERR_MODAL_ENVIRONMENT": ErrorSpec(5, False, 404, "Modal has no environment with this name"),
    "ERR_MODAL": ErrorSpec(5, False, 400, "Modal refused a request, or could not build the image"),
    "ERR_FUNCTION_NOT_FOUND": ErrorSpec(5, False, 404, "the ref is not deployed on Modal"),
    "ERR_OUTPUT": ErrorSpec(1, False, 500, "a result could not be written, to a file or to standard output"),
    "ERR_LEDGER": ErrorSpec(1, False, 500, "the ledger of runs cannot be read or written"),
    "ERR_MAX_COST": ErrorSpec(7, False, 402, "the call could pass a limit on cost that the caller set"),
    "ERR_INTERNAL": ErrorSpec(70, False, 500, "a bug in theoryctl"),
    "ERR_TIMEOUT": ErrorSpec(124, True, 504, "no complete answer within the time allowed"),
    "ERR_INTERRUPTED": ErrorSpec(130, True, 499, "interrupted by Ctrl-C or SIGINT"),
}


class Remedy(StrEnum):
    """Hints for which the command line, HTTP and Python each have words of their own.

    A hint says what to change, never by which flag: the same envelope is read by all three. It travels as text, and who
    shows it looks here whether there is more to say: how.
    """

    MORE_TIME = "give it more time"
    MOCK_MODE = "ask in mock mode, or ask another provider"
    EITHER_MODE = "set the mode to mock or real"
    SERVES_REAL = "ask in mock mode, or ask an instance that serves real requests as well"
    SCHEMA = "change the inputs as the provider's schema says"
    TRACEBACK = "look at the traceback"
    RECORD = "record this request too, or send one that was recorded"
    RECORDINGS = "take the recordings that the instance holds"
    KEY = "check that its key is whole, current, and of this vendor"
    PERMISSION = "give its key the right to use this model, or name another model"


#: A slip in a hint, as `corrected` writes it. Longer words are no slips of the pen.
_SLIP = re.compile(r"'([^']{,100})' instead of '([^']{,100})'")


def corrected(slips: Mapping[str, str]) -> str | None:
    """The hint that corrects slips of the pen: each wrong word with the one that was meant.

    None where there is no slip, or a word would not be read back as it is.
    """
    hint = "write " + ", ".join(f"{meant!r} instead of {wrong!r}" for wrong, meant in slips.items())
    return hint if slips and slips_of(hint) == slips else None


def slips_of(hint: str) -> dict[str, str]:
    """The slips that a hint of `corrected` tells; none for any other hint."""
    return {wrong: meant for meant, wrong in _SLIP.findall(hint)} if hint.startswith("write ") else {}


def as_schema_says(inputs: Iterable[str]) -> str:
    """The hint to change these inputs as the schema of each says.

    It is `Remedy.SCHEMA` where there is none, or a name would not be read back as it is.
    """
    names = list(dict.fromkeys(inputs))
    hint = f"change {', '.join(map(repr, names))} as the provider's schema says"
    return hint if names and inputs_of(hint) == names else Remedy.SCHEMA


def inputs_of(hint: str) -> list[str]:
    """The inputs that a hint of `as_schema_says` names; none for any other hint."""
    found = re.fullmatch(r"change '([^']{1,100}(?:', '[^']{1,100})*)' as the provider's schema says", hint)
    return found[1].split("', '") if found else []


#: Characters of a message or a hint, whatever went wrong; it goes to a log, a terminal, an envelope.
LONGEST = 20_000


class ProviderError(RuntimeError):
    """A failure with a stable code from `ERRORS`, a message that says what and why, and a hint that says what next.

    `hint` is a `Remedy`, or a sentence that names what to change (an input, a secret, a limit) and no flag.
    `retry_after` is in seconds, where the vendor named a time that is one. `param` is the input that is at fault, as in
    `messages[0].role`, where it is one. `vendor_code` is the vendor's own code, and `headers` are those of
    `VendorInfo`, where a vendor answered. Raises ValueError for a code that the table does not know.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        retry_after: float | None = None,
        param: str | None = None,
    ) -> None:
        if code not in ERRORS:
            raise ValueError(_unknown(code))
        self.message = _bounded(message)
        super().__init__(self.message)
        self.code = code
        self.hint = hint and _bounded(hint)
        self.retryable = ERRORS[code].retryable
        self.retry_after = retry_after if retry_after is not None and 0 <= retry_after < math.inf else None
        self.param = param
        self.vendor_code: str | None = None
        self.headers: Mapping[str, str] | None = None


def _unknown(code: object) -> str:
    from difflib import get_close_matches

    near = get_close_matches(str(code), ERRORS, n=1, cutoff=0.8)
    return f"{code!r:.200} is not a code of docs/errors.md" + (f" (did you mean {near[0]!r}?)" if near else "")


def _bounded(text: str) -> str:
    if not text.isascii():  # half of a surrogate pair, which no log and no envelope can hold
        text = text.encode(errors="backslashreplace").decode()
    # A Remedy that is short enough stays one.
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


FaultKind = Literal["error", "disconnect", "truncate"]


class ScriptedFailure(ProviderError):
    """A failure that a script asks for, in our codes, and as a vendor's own API would show it.

    `kind` is "error": an HTTP error with `status`, and `retry_after` as its Retry-After; "disconnect": the connection
    is cut; "truncate": a stream ends as HTTP goes, but without its last events. What imitates a vendor, as the OpenAI
    routes do, does that in place of an answer. `/v1/run` and the command line imitate none: they give the envelope.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str | None,
        kind: FaultKind,
        status: int = 500,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(code, message, hint=hint, retry_after=retry_after)
        self.kind = kind
        self.status = status
