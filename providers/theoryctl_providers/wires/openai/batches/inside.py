"""Requests that an instance makes to its own paths, for the lines of a batch."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.types import ASGIApp, Message, Scope

from theoryctl_providers.asgi.connection import HANG_UP
from theoryctl_providers.contract import dumps
from theoryctl_providers.wires.tenant import Tenant, admit_tenant


async def asked(app: ASGIApp, path: str, body: Any, tenant: Tenant) -> tuple[int, Any]:
    """The status and the document that an application answers a tenant's body with, in mock mode."""
    headers = [(b"content-type", b"application/json"), (b"x-theoryctl-mode", b"mock")]
    scope: Scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    scope[HANG_UP] = _ignore
    admit_tenant(scope, tenant)
    sent: list[Message] = []
    given = [{"type": "http.request", "body": dumps(body).encode()}]

    async def receive() -> Message:
        if given:
            return given.pop()
        await asyncio.Event().wait()  # nobody hangs up
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    status = next((message["status"] for message in sent if "status" in message), 500)
    data = b"".join(message.get("body", b"") for message in sent)
    try:
        return status, json.loads(data)
    except ValueError:  # a script cut the answer
        return 500, {"error": {"message": "the answer broke off", "type": "server_error", "param": None, "code": None}}


def _ignore() -> None:
    """Do nothing where a script hangs up: there is no connection."""
