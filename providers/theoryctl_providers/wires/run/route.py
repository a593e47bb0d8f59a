"""`POST /v1/run` and its recordings: a document in, an envelope or its events out."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from theoryctl_providers.asgi.connection import note_envelope, while_connected
from theoryctl_providers.contract import (
    ERROR_SCHEMA,
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
from theoryctl_providers.contract.envelope import info_of
from theoryctl_providers.contract.wire import ServerConfig, encode_event
from theoryctl_providers.engine.execute import execute
from theoryctl_providers.wires.run.multipart import Received, receive

STREAM = "text/event-stream"


def _answering(answer: Callable[[HTTPRequest], Awaitable[ASGIApp]]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await answer(HTTPRequest(scope, receive))
        await response(scope, receive, send)

    return app


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
            return refusal(error)
        self._tape.forget(int(upto))
        return _json({})

    async def run(self, request: HTTPRequest) -> ASGIApp:
        """One run: an envelope, or with `Accept: text/event-stream` its events."""
        try:
            received = await self._receive(request)
        except ProviderError as error:
            return refusal(error)
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


def refusal(error: ProviderError, status: int | None = None) -> Response:
    """Write `theoryctl.error/v1`, with Retry-After where trying again may help."""
    headers = {"connection": "close"} if error.code in ("ERR_TOO_LARGE", "ERR_TIMEOUT") else {}
    if error.code in ("ERR_OVERLOADED", "ERR_NOT_RUNNING"):
        headers["retry-after"] = "1"
    body = dumps({"schema": ERROR_SCHEMA, "status": "error", "error": info_of(error)}).encode()
    return Response(body, status or ERRORS[error.code].http_status, headers, "application/json")
