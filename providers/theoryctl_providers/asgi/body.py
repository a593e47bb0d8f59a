"""Read the body of an HTTP request, whole or in chunks, up to a limit."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.types import Receive

from theoryctl_providers.asgi.connection import ClientGone
from theoryctl_providers.contract import ProviderError
from theoryctl_providers.contract.wire import Limits


async def receive_whole(messages: Receive, limits: Limits) -> bytes:
    """Read a body that is small enough to hold. Raises ProviderError `ERR_TOO_LARGE`; ClientGone."""
    found, size, more = [], 0, True
    while more:
        chunk, more = await _next(messages)
        size += len(chunk)
        if size > limits.body:
            raise too_large("the body", limits.body)
        found.append(chunk)
    return b"".join(found)


async def chunks_of(messages: Receive) -> AsyncIterator[bytes]:
    """Yield the pieces of a body as they come. Raises ClientGone."""
    more = True
    while more:
        chunk, more = await _next(messages)
        yield chunk


async def _next(messages: Receive) -> tuple[bytes, bool]:
    """The next piece of a body, and whether there are more."""
    message = await messages()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message.get("body", b""), message.get("more_body", False)


def too_large(what: str, limit: int) -> ProviderError:
    """Make the error for a part of a body with more than `limit` bytes."""
    return ProviderError("ERR_TOO_LARGE", f"{what} is larger than {limit} bytes", hint="send less")
