"""Connections: clients that hang up, bodies that do not come, and notes for the log line."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import cache
from typing import Any

from starlette.types import Message, Receive, Scope

from theoryctl_providers.contract import Envelope, Operation, ProviderError

#: Where the HTTP protocol leaves the function that hangs up on a client, for routes that are told to.
HANG_UP = "theoryctl.hang_up"


#: What the HTTP protocol says of a request that is there to its end.
WHOLE = "theoryctl.whole"

#: What is said of a request whose answer is computed here, and waits for nobody: to make it costs next to nothing.
COMPUTED = "theoryctl.computed"

#: Where the first header of each name is kept, once one was asked for.
_HEADERS = "theoryctl.headers"

#: Where the gate leaves, for a path that is open to all, whether the instance is about to stop.
DRAINING = "theoryctl.draining"


class ClientGone(Exception):
    """The client has hung up, and the call was cancelled."""


def patient(receive: Receive, seconds: float) -> Receive:
    """`receive`, raising ProviderError `ERR_TIMEOUT` where the rest of a body does not come.

    Each piece has a time of its own: a large body may take long. After the last one there is no hurry.
    """
    more = True

    async def bounded() -> Message:
        nonlocal more
        try:
            async with asyncio.timeout(seconds if more else None):
                message = await receive()
        except TimeoutError:
            reason = f"no more of the request came for {seconds:g} s"
            raise ProviderError("ERR_TIMEOUT", reason, hint="send it again") from None
        more = message.get("more_body", False)
        return message

    return bounded


async def while_connected(receive: Receive, work: Coroutine[Any, Any, Any]) -> Any:
    """The result of `work`, which is cancelled when the client hangs up. Raises ClientGone."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(hung_up(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone
        return task.result()
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def hung_up(receive: Receive) -> None:
    """Return when the connection is closed, by either side."""
    while (await receive())["type"] != "http.disconnect":
        pass


def header_of(scope: Scope, name: str) -> str | None:
    """The first header of that name, None where there is none."""
    headers = scope.get(_HEADERS)
    if headers is None:
        headers = scope[_HEADERS] = dict(reversed(scope["headers"]))
    value = headers.get(_in_scope(name))
    return None if value is None else str(value, "latin-1")


@cache
def _in_scope(name: str) -> bytes:
    return name.lower().encode()


def note_envelope(scope: Scope, envelope: Envelope, operation: Operation) -> None:
    """Leave for the log line what it may say of a run: never inputs, outputs or keys."""
    error = envelope["error"]
    asked = {"operation": operation, "mode": envelope["mode"], "model": envelope["model"]}
    scope["theoryctl.facts"] = {**asked, "code": error["code"] if error else None, **envelope["usage"]}


def note_refusal(scope: Scope, error: ProviderError) -> None:
    """Leave for the log line the code of a request that was refused, beside what is known of its run, if any."""
    scope["theoryctl.facts"] = {**scope.get("theoryctl.facts", {}), "code": error.code}
