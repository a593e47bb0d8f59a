"""One HTTP answer: whole, or in pieces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from starlette.types import Scope, Send

from theoryctl_providers.asgi.connection import HANG_UP

JSON, EVENT_STREAM = b"application/json", b"text/event-stream; charset=utf-8"

Headers = Iterable[tuple[bytes, bytes]]

#: Bytes that are held back of an answer whose pieces are all there; a larger one leaves as its client reads it.
HELD = 64 << 10

_NOT_STORED = (b"cache-control", b"no-store")


class Whole(NamedTuple):
    """All of an HTTP answer."""

    body: bytes
    status: int = 200
    headers: Headers = ()
    kind: bytes = JSON


class Reply:
    """Sends the answer to one request. `headers` stand in it whatever it becomes; `kind` is the media type of pieces.

    `live` says that a client waits for each piece, which must leave at once; otherwise all of them are there before the
    next thing happens, and leave in one write, or in writes of `HELD` bytes where there are more. A client that does
    not read makes `write` wait.
    """

    def __init__(self, scope: Scope, send: Send, headers: Headers = (), kind: bytes = EVENT_STREAM) -> None:
        self.live = False
        self._scope, self._send = scope, send
        self._headers, self._kind = dict(headers), kind
        self._held = bytearray()
        self._started = False

    @property
    def begun(self) -> bool:
        """True once a status has been sent or promised."""
        return self._started or bool(self._held)

    def add(self, headers: Headers) -> None:
        """Add headers to an answer whose head has not left; one of the same name goes."""
        self._headers.update(headers)

    async def whole(self, answer: Whole) -> None:
        """Send all of an answer."""
        length = (b"content-length", b"%d" % len(answer.body))
        headers = [(b"content-type", answer.kind), length, *self._headers.items(), *answer.headers]
        await self._start(answer.status, headers)
        await self._send({"type": "http.response.body", "body": answer.body})

    async def write(self, piece: bytes) -> None:
        """Send a piece."""
        if self.live:
            await self._pass(piece)
            return
        self._held += piece
        if len(self._held) > HELD:
            await self._pass_held()

    async def close(self) -> None:
        """End the pieces."""
        if not self._started:
            await self.whole(Whole(bytes(self._held), headers=(_NOT_STORED,), kind=self._kind))
            return
        await self._send({"type": "http.response.body", "body": bytes(self._held)})

    async def cut(self) -> None:
        """Hang up on the client, in the middle of an answer or before it."""
        if self._held:
            await self._pass_held()
        self._scope[HANG_UP]()

    async def _pass_held(self) -> None:
        held, self._held = bytes(self._held), bytearray()
        await self._pass(held)

    async def _pass(self, piece: bytes) -> None:
        if not self._started:
            await self._start(200, [(b"content-type", self._kind), _NOT_STORED, *self._headers.items()])
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
