"""The host side of the HTTP contract: what an instance is sent, what it refuses, its recordings and journal."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any, TypedDict

from theoryctl.errors import BadAttachment, TheoryctlError
from theoryctl.hints import again, command
from theoryctl.instances.connection import Listens, connect, gone
from theoryctl.instances.instance import Instance
from theoryctl.instances.restart import stop_and_start
from theoryctl_providers.contract import Attachment, ProviderError, Request, dumps, shaped
from theoryctl_providers.contract.received import received_error

if TYPE_CHECKING:
    from theoryctl_providers.contract import Recording

#: Seconds beyond a call's own time-out until an instance that says nothing is given up.
SLACK = 10.0
_CHUNK = 1 << 16
_RECORDINGS = "/v1/recordings"
_REQUESTS = "/v1/requests"
_UNUSED = "/v1/unused"

#: Bytes of a refusal, at most: whoever answers may never stop.
MOST_REFUSAL = 1 << 20


def check_sizes(instance: Instance, request: Request) -> None:
    """Refuse what the instance would: it would hang up in the middle of the sending, and its reason could get lost."""
    for attachment in request.attachments:
        if attachment.size > instance.max_attachment:
            message = f"attachment {attachment.name} has {attachment.size} bytes; the instance takes at most"
            message += f" {instance.max_attachment}"
            hint = stop_and_start(instance, max_attachment=attachment.size)
            raise ProviderError("ERR_TOO_LARGE", message, hint=hint)


def recordings(instance: Instance, listens: Listens) -> tuple[list[Recording], int]:
    """Return the recorded exchanges of an instance, oldest first, and the number of the newest.

    Raises NotRunning where nobody answers, ProviderError for a refusal.
    """
    from theoryctl_providers.contract import Recording

    try:
        kept: _Kept = shaped(_Kept, _ask(instance, listens, "GET", _RECORDINGS))
        return [Recording.load(recording) for recording in kept.recordings], kept.upto
    except ValueError:
        raise _unintelligible("sent recordings that cannot be read") from None


@dataclass(frozen=True, slots=True)
class _Kept:
    recordings: tuple[dict[str, Any], ...]
    upto: int


class AskedRequest(TypedDict):
    """One request that a mock has answered; `status` is None until its answer begins. `time` is in seconds since 1970.

    `body` is a JSON value without credentials, or a text; `answered_by` a rule, a recording or `mock`.
    """

    number: int
    time: float
    method: str
    path: str
    status: int | None
    run_id: str | None
    model: str | None
    mode: str | None
    code: str | None
    answered_by: str | None
    body: Any


@dataclass(frozen=True, slots=True)
class Journal:
    """The newest requests of an instance, oldest first, and how many there were before them."""

    requests: tuple[AskedRequest, ...]
    dropped: int
    schema: str | None = None


def requests(instance: Instance, listens: Listens) -> Journal:
    """Return the requests that an instance has answered as a mock. Raises as `recordings`."""
    answer = _ask(instance, listens, "GET", _REQUESTS, missing="is of a version that keeps no requests")
    try:
        journal: Journal = shaped(Journal, answer)
    except ValueError:
        raise _unintelligible("sent requests that cannot be read") from None
    return journal


@dataclass(frozen=True, slots=True)
class Unused:
    """The rules and the files of recordings that have answered nothing, and the number of recordings that have
    answered; with `strict`, such rules are a failure."""

    schema: str
    rules: tuple[str, ...]
    strict: bool
    recordings: tuple[str, ...]
    recordings_used: int

    @property
    def fails(self) -> bool:
        """Tell whether a strict script has rules that answered nothing."""
        return self.strict and bool(self.rules)


def unused(instance: Instance, listens: Listens) -> Unused:
    """Return what has answered nothing since the instance was started. Raises as `recordings`."""
    answer = _ask(instance, listens, "GET", _UNUSED, missing="is of a version that does not know which rules are used")
    try:
        found: Unused = shaped(Unused, answer)
    except ValueError:
        raise _unintelligible("sent unused rules that cannot be read") from None
    return found


def forget_recordings(instance: Instance, listens: Listens, upto: int) -> None:
    """Let an instance drop the recordings up to that number, which have been written. Raises as `recordings`."""
    _ask(instance, listens, "DELETE", f"{_RECORDINGS}?upto={upto}")


def _ask(instance: Instance, listens: Listens, method: str, path: str, missing: str | None = None) -> Any:
    """Ask an instance without a body and return its answer; `missing` says what it is that does not know the path."""
    import http.client
    from contextlib import closing

    try:
        with closing(connect(instance, listens, seconds=60)) as connection:
            connection.request(method, path, headers={"Authorization": f"Bearer {instance.token}"})
            response = connection.getresponse()
            data = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise gone(instance, command("local status", ref=instance.ref), error) from None
    if response.status == 404 and missing:
        raise _Unintelligible(f"the instance {missing}", hint=stop_and_start(instance))
    if response.status != 200:
        raise refusal(data, response.status)
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise _unintelligible("sent an answer that is not JSON") from None


def encoded(request: Request) -> tuple[dict[str, str], Any]:
    """Return headers and body of a request to `/v1/run`; with attachments, the body comes in pieces."""
    attachments = [attachment.public() for attachment in request.attachments]
    document = {"inputs": request.inputs, "mode": request.mode, "timeout": request.timeout, "run_id": request.run_id}
    data = dumps({**document, "attachments": attachments}).encode()
    if not attachments:
        return {"Content-Type": "application/json"}, data
    boundary = secrets.token_hex(16)
    heads = [_head(boundary, attachment.name) for attachment in request.attachments]
    first, last = _head(boundary, "request") + data, f"\r\n--{boundary}--\r\n".encode()
    size = len(first) + len(last) + sum(map(len, heads)) + sum(attachment.size for attachment in request.attachments)
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Content-Length": str(size)}
    return headers, _pieces(first, heads, request.attachments, last)


def _head(boundary: str, name: str) -> bytes:
    # Names are letters, digits, '.', '-' and '_' (attachments.py), so there is nothing to escape. The first boundary
    # may have an empty line before it (RFC 2046, 5.1.1).
    return f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()


def _pieces(first: bytes, heads: list[bytes], attachments: Any, last: bytes) -> Iterator[bytes]:
    yield first
    for head, attachment in zip(heads, attachments, strict=True):
        yield head
        yield from _read(attachment)
    yield last


def _read(attachment: Attachment) -> Iterator[bytes]:
    """Yield the file in pieces, as many bytes as were announced. Raises BadAttachment where it has no more so many."""
    left = attachment.size
    try:
        with open(attachment.path, "rb") as file:
            while left and (chunk := file.read(min(_CHUNK, left))):
                left -= len(chunk)
                yield chunk
    except OSError as error:
        raise BadAttachment(f"{attachment.path}: {error.strerror}", hint=f"ls -l {quote(attachment.path)}") from None
    if left:
        read = attachment.size - left
        message = f"{attachment.path}: expected {attachment.size} bytes, got {read}: it shrank while it was sent"
        raise BadAttachment(message, hint=again("run it again"))


def refusal(body: bytes, status: int) -> ProviderError:
    """Return the failure that an answer other than 200 tells of."""
    try:
        error = received_error(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return _unintelligible(f"answered {status} without saying why")
    return ProviderError(error["code"], error["message"], hint=error["hint"])


def _unintelligible(what: str) -> ProviderError:
    return _Unintelligible(f"the instance {what}", hint="is it another version? restart it")


class _Unintelligible(TheoryctlError):
    error_code = "ERR_BAD_RESPONSE"
