"""The HTTP contract of a started provider: translates to and from the engine, and nothing else."""

from __future__ import annotations

import math
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from theoryctl_providers.asgi.connection import note_envelope, while_connected
from theoryctl_providers.contract import (
    ERRORS,
    VERSION,
    Envelope,
    Event,
    ProviderError,
    Request,
    Result,
    Started,
    Tape,
    dumps,
    is_mock,
    resolve_mode,
)
from theoryctl_providers.contract.wire import ServerConfig, encode_event
from theoryctl_providers.engine.execute import execute
from theoryctl_providers.openai.routes import MODEL, openai_routes
from theoryctl_providers.server.gate import Gate
from theoryctl_providers.server.refusals import refusal
from theoryctl_providers.uploads import Received, receive

STREAM = "text/event-stream"


def make_app(config: ServerConfig, log: Callable[[str], None]) -> Gate:
    """The ASGI application: health, runs, recordings and the OpenAI routes, behind a `Gate`, which calls `log` with its
    lines."""
    server = _Server(config)
    routes = {
        ("GET", "/healthz"): _answering(server.health),
        ("POST", "/v1/run"): _answering(server.run),
        ("GET", "/v1/recordings"): _answering(server.recordings),
        ("DELETE", "/v1/recordings"): _answering(server.forget_recordings),
    }
    return Gate(Paths({**routes, **openai_routes(config)}), config, log)


def _answering(answer: Callable[[HTTPRequest], Awaitable[ASGIApp]]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await answer(HTTPRequest(scope, receive))
        await response(scope, receive, send)

    return app


class Paths:
    """Finds who answers a method and path. What nobody does is refused."""

    def __init__(self, routes: Mapping[tuple[str, str], ASGIApp]) -> None:
        self._routes = routes
        self._paths = {path for _, path in routes}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        path = MODEL if path.startswith(MODEL) else path
        app = self._routes.get(("GET" if method == "HEAD" else method, path))
        if app is None:
            message = f"there is no {method} {scope['path']}"
            error = ProviderError("ERR_USAGE", message, hint="POST /v1/run or /v1/chat/completions")
            app = refusal(scope, error, 405 if path in self._paths else 404)
        await app(scope, receive, send)


class _Server:
    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._started = time.monotonic()
        self._tape = config.provider.tape or Tape()

    async def health(self, request: HTTPRequest) -> ASGIApp:
        provider = self._config.provider
        uptime = round(time.monotonic() - self._started, 3)
        facts = {"ready": True, "ref": provider.ref, "provider": provider.provider, "mode": provider.mode}
        return _json({**facts, "version": VERSION, "uptime_s": uptime})

    async def recordings(self, request: HTTPRequest) -> ASGIApp:
        """The recorded exchanges that nobody has taken yet, and the number of the newest."""
        kept, upto = self._tape.kept()
        return _json({"recordings": [recording.dump() for recording in kept], "upto": upto})

    async def forget_recordings(self, request: HTTPRequest) -> ASGIApp:
        """Drop the recordings up to the number `upto`: whoever had them has written them."""
        upto = request.query_params.get("upto", "")
        if not upto.isdecimal():
            error = ProviderError("ERR_USAGE", f"upto {upto!r} is no number", hint="GET /v1/recordings says it")
            return refusal(request.scope, error)
        self._tape.forget(int(upto))
        return _json({})

    async def run(self, request: HTTPRequest) -> ASGIApp:
        """One run: an envelope, or with `Accept: text/event-stream` its events."""
        try:
            received = await self._receive(request)
        except ProviderError as error:
            return refusal(request.scope, error)
        streamed = STREAM in request.headers.get("accept", "")
        call = self._request(received, streamed)
        request.scope["theoryctl.run_id"] = call.run_id
        if streamed:
            return _EventStream(call, received)
        with received:
            result = await _result(execute(call), request.receive)
        note_envelope(request.scope, result.envelope)
        response = _json(result.envelope, _status(result.envelope))
        if result.cause is not None and result.cause.retry_after is not None:
            # Whole seconds are all the standard knows (RFC 9110, section 10.2.3).
            response.headers["retry-after"] = str(math.ceil(result.cause.retry_after))
        return response

    async def _receive(self, request: HTTPRequest) -> Received:
        kind = request.headers.get("content-type", "application/json")
        return await receive(kind, request.receive, self._config.limits, self._reads_files)

    def _request(self, received: Received, streamed: bool) -> Request:
        """The call as the engine takes it. Bad values are left to the engine, which reports them in an envelope."""
        document = received.document
        timeout, run_id = document.get("timeout"), document.get("run_id")
        options: dict[str, Any] = {"mode": document.get("mode"), "streamed": streamed}
        if isinstance(timeout, (int, float)) and timeout > 0:
            options["timeout"] = float(timeout)
        if isinstance(run_id, str) and run_id.startswith("run_") and len(run_id) == 36 and run_id.isalnum() is False:
            options["run_id"] = run_id
        inputs, config = document["inputs"], self._config.provider
        return Request(config=config, inputs=inputs, parsed=True, attachments=received.attachments, **options)

    def _reads_files(self, document: dict[str, Any]) -> bool:
        """Whether the call will read what is attached: in mock mode the digests are all it gets."""
        return not self._is_mock(document["inputs"], document.get("mode"))

    def _is_mock(self, inputs: Mapping[str, Any], mode: Any) -> bool:
        """Whether no vendor is called; a mode that is none calls none either."""
        try:
            return is_mock(resolve_mode(inputs, mode, self._config.provider.mode))
        except ProviderError:
            return True


async def _result(events: AsyncGenerator[Event], receive: Receive | None) -> Result:
    """The result of a call, which is cancelled when the client behind `receive` hangs up.

    Until a call says that it waits there is nothing to cancel, and most mock calls never do: they need not pay for two
    tasks.
    """
    async for event in events:
        if isinstance(event, Result):
            return event
        if receive is not None and isinstance(event, Started) and event.suspends:
            result: Result = await while_connected(receive, _result(events, None))
            return result
    raise RuntimeError("the engine ended without a result")


class _EventStream(Response):
    """The events of a call as server-sent events, until the client hangs up."""

    def __init__(self, call: Request, received: Received) -> None:
        super().__init__(media_type=STREAM, headers={"cache-control": "no-store"})
        del self.headers["content-length"]
        self._call, self._received = call, received

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._received:
            await while_connected(receive, self._send(scope, send))

    async def _send(self, scope: Scope, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        events: AsyncGenerator[Event] = execute(self._call)
        async for event in events:
            if isinstance(event, Result):
                note_envelope(scope, event.envelope)
            text = encode_event(event)
            if text is not None:
                await send({"type": "http.response.body", "body": text, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _status(envelope: Envelope) -> int:
    error = envelope["error"]
    return 200 if error is None else ERRORS[error["code"]].http_status


def _json(value: Any, status: int = 200) -> Response:
    return Response(dumps(value).encode(), status, media_type="application/json")


def log_line(line: str) -> None:
    """One line on standard error, whole, whatever else writes there."""
    os.write(2, f"{line}\n".encode())
