"""HTTP requests to the batch APIs of vendors.

LiteLLM 1.110.2 cannot create a batch of Anthropic's (llms/anthropic/batches/transformation.py raises
NotImplementedError) and Anthropic's SDK is not installed, so both vendors are asked over httpx.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx

from theoryctl_providers.contract import ProviderError
from theoryctl_providers.status import LONGEST_BODY, answered, failure_of

#: Seconds for a connection and between two pieces; a vendor that checks a large batch answers late.
_TIMEOUT = httpx.Timeout(120.0, connect=15.0)

#: Seconds for all headers and for a whole body, and bytes that make each further second: less is one that never ends.
_WHOLE, _SLOWEST = 120.0, 16_384

#: What httpcore tells of a request (its extension `trace`): a connection is there, and a part of the answer is awaited.
_OPENED = ("connect_tcp.complete", "start_tls.complete")
_AWAITED = ("receive_response_headers.started", "receive_response_body.started")

#: Failures of code that reads a document of another shape than it should have.
UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Account:
    """The address and the headers of one vendor's account. `model` is named in errors, after `clean` has taken secrets
    out of the vendor's words; `keyed` puts the variable of the key into a hint."""

    address: str
    headers: Mapping[str, str] = field(repr=False)
    model: str
    clean: Callable[[str], str]
    keyed: Callable[[str], str] = str

    def known_by(self, with_key: bytes) -> tuple[str, str]:
        """Return the address for people, and a keyed digest of the whole address and the credentials."""
        import hmac

        from theoryctl_providers.litellm.addresses import shown

        held = {name: value for name, value in self.headers.items() if name != "anthropic-version"}
        text = json.dumps([self.address, held], sort_keys=True)
        return shown(self.address), hmac.digest(with_key, text.encode(), "sha256").hex()


class Http:
    """Requests to one account. Redirects are not followed: the key would go along.

    An account that once has not answered in time is asked no more: each further request would wait as long.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._client = httpx.Client(headers=dict(account.headers), timeout=_TIMEOUT, follow_redirects=False)
        self._is_silent = False
        #: When the headers or the body have to be there, by the monotonic clock.
        self._ends = 0.0

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def json(self, method: str, path: str, **options: Any) -> Mapping[str, Any]:
        """Send a request, and return the object that answers it. Raises ProviderError."""
        with self._sent(method, path, **options) as response:
            document = _object(response.read())
            if document is None:
                raise self._failure("ERR_BAD_RESPONSE", "gave no JSON object")
            return document

    def lines(self, path: str) -> Iterator[Mapping[str, Any]]:
        """Yield the objects of a file of lines; an empty one for a line that is none.

        Raises ProviderError, also where no line is an object, as in a page of a proxy's, or the last one is cut short.
        """
        found, odd = 0, 0
        with self._sent("GET", path) as response:
            for line in _lines(response.iter_bytes()):
                document = _object(line)
                if document is None and not line.endswith(b"\n"):
                    raise self._failure("ERR_BAD_RESPONSE", "gave results that end within a line")
                found, odd = found + (document is not None), odd + (document is None)
                yield document or {}
        if odd and not found:
            raise self._failure("ERR_BAD_RESPONSE", "gave results of which no line is a JSON object")

    @contextmanager
    def _sent(self, method: str, path: str, **options: Any) -> Iterator[httpx.Response]:
        account = self._account
        if self._is_silent:
            raise self._late()
        options["extensions"], self._ends = {"trace": self._trace}, time.monotonic() + _WHOLE
        try:
            with self._client.stream(method, f"{account.address}/{path}", **options) as response:
                if response.status_code >= 300:
                    said = response.read().decode(errors="replace")
                    body = account.clean(said[:LONGEST_BODY])
                    refused = answered(response.status_code, body, account.model, who=_who(account))
                    refused.hint = refused.hint and account.keyed(refused.hint)
                    raise refused
                yield response
        except httpx.TimeoutException:
            self._is_silent = True
            raise self._late() from None
        except httpx.HTTPError as error:
            raise self._failure("ERR_UNREACHABLE", f"cannot be reached: {account.clean(str(error))}") from None

    def _trace(self, event: str, told: Mapping[str, Any]) -> None:
        """Bound the time of each part of an answer: httpx bounds that between two pieces, of headers too."""
        if event.endswith(_AWAITED):
            self._ends = time.monotonic() + _WHOLE
        elif event.endswith(_OPENED):
            stream = told["return_value"]
            stream.read = partial(self._read, stream.read)

    def _read(self, read: Callable[..., bytes], max_bytes: int, timeout: float) -> bytes:
        """Read from a connection. Raises httpx.ReadTimeout where the answer comes too slowly."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise httpx.ReadTimeout("the answer comes too slowly")
        data = read(max_bytes, timeout=min(left, timeout))
        self._ends += len(data) / _SLOWEST
        return data

    def _late(self) -> ProviderError:
        return self._failure("ERR_TIMEOUT", "did not answer in time")

    def _failure(self, code: str, what: str) -> ProviderError:
        return failure_of(code, f"{_who(self._account)} {what}")


def _who(account: Account) -> str:
    from theoryctl_providers.litellm.addresses import at_address

    return at_address(account.model.partition("/")[0], account.address)


def _object(data: bytes) -> Mapping[str, Any] | None:
    try:
        document = json.loads(data)
    except (RecursionError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of a body, with their ends; httpx would decode it, and end lines at characters that JSON may hold
    (U+2028)."""
    held: list[bytes] = []
    for chunk in chunks:
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            yield from _whole([*held, line, b"\n"])
            held = []
        held.append(rest)
    yield from _whole(held)


def _whole(pieces: list[bytes]) -> Iterator[bytes]:
    line = b"".join(pieces)
    if line.strip():
        yield line


@contextmanager
def reading() -> Iterator[None]:
    """Read an object of a vendor's; also a decorator. Raises ProviderError `ERR_BAD_RESPONSE` for another shape."""
    try:
        yield
    except UNREADABLE as error:
        # Without the error's text, which has the vendor's words in it, and those may hold a key.
        message = f"the vendor's batch: expected its documented form, got another ({type(error).__name__})"
        raise ProviderError("ERR_BAD_RESPONSE", message, hint="try again") from None


def time_of(seconds: Any) -> float:
    """Return a time in seconds since 1970, 0 for none. Raises ValueError and others for what is no time."""
    time = float(seconds or 0)
    datetime.fromtimestamp(time, timezone.utc)
    return time


def in_path(id: str) -> str:
    """Return a vendor's id as one part of a path."""
    return quote(id, safe="")


def name_in(line: Mapping[str, Any]) -> str | None:
    """Return the custom id in a line of results; None where it names no request."""
    name = line.get("custom_id")
    return name if isinstance(name, str) and name else None


def text_in(document: Mapping[str, Any], name: str) -> str:
    """Return a text of a vendor's object. Raises ProviderError `ERR_BAD_RESPONSE` where it has none."""
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise ProviderError("ERR_BAD_RESPONSE", f"the vendor's batch has no {name}", hint="try again")
    return value
