"""A request as an instance is sent it over HTTP, and the refusal of one."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from shlex import quote
from typing import TYPE_CHECKING, Any

from theoryctl.errors import BadAttachment, TheoryctlError
from theoryctl.hints import again
from theoryctl.instances.restart import stop_and_start
from theoryctl_providers.contract import ProviderError, Request, dumps
from theoryctl_providers.contract.received import received_error

if TYPE_CHECKING:
    from theoryctl.instances.instance import Instance
    from theoryctl_providers.contract import Attachment

#: Seconds beyond a call's own time-out until an instance that says nothing is given up.
SLACK = 10.0
_CHUNK = 1 << 16

#: Bytes of a refusal, at most: whoever answers may never stop.
MOST_REFUSAL = 1 << 20


def check_sizes(instance: Instance, request: Request) -> None:
    """Refuse what the instance would: it would hang up in the middle of the sending, and its reason could get lost.

    Raises ProviderError `ERR_TOO_LARGE`.
    """
    for attachment in request.attachments:
        if attachment.size > instance.max_attachment:
            message = f"attachment {attachment.name} has {attachment.size} bytes; the instance takes at most"
            message += f" {instance.max_attachment}"
            hint = stop_and_start(instance, max_attachment=attachment.size)
            raise ProviderError("ERR_TOO_LARGE", message, hint=hint)


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
        return unintelligible(f"answered {status} without saying why")
    return ProviderError(error["code"], error["message"], hint=error["hint"])


def unintelligible(what: str) -> ProviderError:
    """Return the failure of an instance that says what nobody can read; `what` tells it."""
    return Unintelligible(f"the instance {what}", hint="is it another version? restart it")


class Unintelligible(TheoryctlError):
    """Unintelligible is an answer of an instance that is not as it must be."""

    error_code = "ERR_BAD_RESPONSE"
