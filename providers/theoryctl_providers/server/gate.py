"""The gate before every request: token, limits, drain, and the line in the log."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from theoryctl_providers.asgi.connection import DRAINING, WHOLE, ClientGone, note_refusal, patient
from theoryctl_providers.contract import ProviderError, dumps
from theoryctl_providers.contract.wire import ServerConfig
from theoryctl_providers.server.paths import Paths
from theoryctl_providers.server.refusals import refusal
from theoryctl_providers.wires.dialect import Credential

#: What the log says of a client that did not wait for its answer, as nginx does.
CLIENT_GONE = 499


class Gate:
    """An ASGI application around all routes. `drain` lets nothing new in and returns when all that was in has left."""

    def __init__(self, paths: Paths, config: ServerConfig, log: Callable[[str], None]) -> None:
        self._paths, self._limits = paths, config.limits
        self._token = config.token.encode()
        self._log = log
        self._inside = 0
        self._draining = False
        self._empty = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        dialect, app = self._paths.find(scope)
        is_open = scope["path"] in dialect.open_paths
        scope[DRAINING] = self._draining
        error = self._refused(scope, None if is_open else dialect.credential)
        log = None if is_open else self._log
        if error is not None:
            note_refusal(scope, error)
            app = refusal(dialect, error, 431 if error.code == "ERR_TOO_LARGE" else None)
            await _logged(scope, receive, send, app, log)
            return
        if WHOLE not in scope:
            receive = patient(receive, self._limits.receive_seconds)
        self._inside += 1
        try:
            await _logged(scope, receive, send, app, log)
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

    def _refused(self, scope: Scope, credential: Credential | None) -> ProviderError | None:
        """Return the refusal of a request, or None; without a `credential` to ask for, only its size counts."""
        if sum(len(name) + len(value) for name, value in scope["headers"]) > self._limits.headers:
            return ProviderError("ERR_TOO_LARGE", "the headers are too large", hint="send less")
        if credential is None:
            return None
        if not hmac.compare_digest(credential.of(scope), self._token):
            message = f"{credential.called} is missing or wrong"
            return ProviderError("ERR_TOKEN", message, hint="send the instance's own token")
        if self._draining:
            return ProviderError("ERR_NOT_RUNNING", "the instance is about to stop", hint="start it again")
        if self._inside >= self._limits.concurrency:
            message = f"the instance has {self._inside} requests, as many as it takes"
            return ProviderError("ERR_OVERLOADED", message, hint="wait a moment, then send it again")
        return None


async def _logged(scope: Scope, receive: Receive, send: Send, app: ASGIApp, log: Callable[[str], None] | None) -> None:
    """Have `app` answer, and then `log` the request, unless there is none."""
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
        if log is not None:
            log(dumps(_line(scope, status, time.perf_counter() - start)))


def _line(scope: Scope, status: int, seconds: float) -> dict[str, Any]:
    """The log's line of a request. `status` is the one that was sent; a stream that fails after it has a `code` too."""
    facts = scope.get("theoryctl.facts", {})
    run_id = scope.get("theoryctl.run_id")
    asked = {"run_id": run_id, "method": scope["method"], "path": scope["path"], "status": status}
    return {"time": time.time(), **asked, "duration_ms": round(seconds * 1000, 3), **facts}
