"""One HTTP answer of an OpenAI route: whole, or as server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from theoryctl_providers.asgi.connection import HANG_UP, hung_up
from theoryctl_providers.contract import ErrorInfo, ProviderError
from theoryctl_providers.contract.envelope import info_of
from theoryctl_providers.wires.openai.errors import error_headers, error_object, said

_JSON, _EVENTS = b"application/json", b"text/event-stream; charset=utf-8"

Headers = Iterable[tuple[bytes, bytes]]


class Reply:
    """What goes back to a client.

    `live` says that an answer is waited for piece by piece, and that each must leave at once; otherwise all of it is
    there before the next thing happens, and leaves in one write.
    """

    def __init__(self, scope: Scope, send: Send, request_id: str = "") -> None:
        self.live = False
        self._scope, self._send = scope, send
        self._headers = [(b"x-request-id", request_id.encode())] if request_id else []
        self._held: list[bytes] = []
        self._started = False

    @property
    def begun(self) -> bool:
        """Whether a status has been promised."""
        return self._started or bool(self._held)

    async def whole(self, body: bytes, status: int = 200, headers: Headers = (), kind: bytes = _JSON) -> None:
        """Send all of an answer."""
        length = (b"content-length", b"%d" % len(body))
        await self._start(status, [(b"content-type", kind), length, *self._headers, *headers])
        await self._send({"type": "http.response.body", "body": body})

    async def error(
        self,
        info: ErrorInfo,
        cause: ProviderError | None,
        *,
        params: Mapping[str, str] | None = None,
        status: int | None = None,
    ) -> None:
        """Send a failure instead of an answer, with the status that OpenAI has for it unless there is a better one."""
        status = status or getattr(cause, "status", None) or said(info["code"]).status
        body = json.dumps({"error": error_object(info, cause, params or {})}).encode()
        await self.whole(body, status, error_headers(info["code"], cause))

    async def write(self, events: bytes) -> None:
        """Send some server-sent events."""
        if not self.live:
            self._held.append(events)
            return
        if not self._started:
            headers = [(b"content-type", _EVENTS), (b"cache-control", b"no-store"), *self._headers]
            await self._start(200, headers)
        await self._send({"type": "http.response.body", "body": events, "more_body": True})

    async def close(self) -> None:
        """End the server-sent events."""
        if self._started:
            await self._send({"type": "http.response.body", "body": b""})
        else:
            await self.whole(b"".join(self._held), headers=[(b"cache-control", b"no-store")], kind=_EVENTS)

    async def hang_up(self, receive: Receive) -> None:
        """Cut the connection, in the middle of an answer or before it."""
        if self._held:
            self.live = True
            await self.write(b"".join(self._held))
        self._scope[HANG_UP]()
        await hung_up(receive)

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})


def refusal(error: ProviderError, status: int | None = None) -> ASGIApp:
    """Write OpenAI's error object."""

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await Reply(scope, send).error(info_of(error), error, status=status)

    return app
