"""What every request passes first: the token, the limits, the drain, and the line in the log."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from theoryctl_providers.asgi.connection import WHOLE, ClientGone, note_refusal, patient
from theoryctl_providers.contract import ProviderError, dumps
from theoryctl_providers.contract.wire import ServerConfig
from theoryctl_providers.server.refusals import refusal

OPEN_PATHS = ("/healthz",)
#: What the log says of a client that did not wait for its answer, as nginx does.
CLIENT_GONE = 499


class Gate:
    """An ASGI application around another. `drain` lets nothing new in and returns when all that was in has left."""

    def __init__(self, app: ASGIApp, config: ServerConfig, log: Callable[[str], None]) -> None:
        self._app, self._limits = app, config.limits
        self._token = config.token.encode()
        self._log = log
        self._inside = 0
        self._draining = False
        self._empty = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        error = self._refused(scope)
        if error is not None:
            note_refusal(scope, error)
            status = 431 if error.code == "ERR_TOO_LARGE" else None
            await self._logged(scope, receive, send, refusal(scope, error, status))
            return
        if WHOLE not in scope:
            receive = patient(receive, self._limits.receive_seconds)
        self._inside += 1
        try:
            await self._logged(scope, receive, send, self._app)
        finally:
            self._inside -= 1
            if self._inside == 0:
                self._empty.set()

    async def drain(self, seconds: float) -> None:
        """Refuse new requests; return when those inside have finished, or after `seconds`."""
        self._draining = True
        self._empty.clear()
        if self._inside:
            try:
                await asyncio.wait_for(self._empty.wait(), seconds)
            except TimeoutError:
                return

    def _refused(self, scope: Scope) -> ProviderError | None:
        size, token = _measure(scope["headers"])
        if size > self._limits.headers:
            return ProviderError("ERR_TOO_LARGE", "the headers are too large", hint="send less")
        if scope["path"] in OPEN_PATHS:
            return None
        if not hmac.compare_digest(token, self._token):
            return ProviderError(
                "ERR_TOKEN", "the bearer token is missing or wrong", hint="theoryctl local env --ref REF"
            )
        if self._draining:
            return ProviderError("ERR_NOT_RUNNING", "the instance is about to stop", hint="start it again")
        if self._inside >= self._limits.concurrency:
            message = f"the instance has {self._inside} requests, as many as it takes"
            return ProviderError("ERR_OVERLOADED", message, hint="wait a moment, then send it again")
        return None

    async def _logged(self, scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
        status, start = CLIENT_GONE, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, noted)
        except ClientGone:  # nobody is left to answer
            status = CLIENT_GONE
        finally:
            if scope["path"] not in OPEN_PATHS:
                self._log(dumps(_line(scope, status, time.perf_counter() - start)))


def _line(scope: Scope, status: int, seconds: float) -> dict[str, Any]:
    """The log's line of a request. `status` is the one that was sent; a stream that fails after it has a `code` too."""
    facts = scope.get("theoryctl.facts", {})
    run_id = scope.get("theoryctl.run_id")
    asked = {"run_id": run_id, "method": scope["method"], "path": scope["path"], "status": status}
    return {"time": time.time(), **asked, "duration_ms": round(seconds * 1000, 3), **facts}


def _measure(headers: list[tuple[bytes, bytes]]) -> tuple[int, bytes]:
    """How large the headers are in bytes, and the bearer token in them."""
    size, token = 0, b""
    for name, value in headers:
        size += len(name) + len(value)
        if name == b"authorization" and not token and value[:7].lower() == b"bearer ":
            token = value[7:].strip()
    return size, token
