"""One HTTP connection: answers leave in one piece, and clients that do not come to an end are hung up on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from theoryctl_providers.asgi.connection import HANG_UP, WHOLE
from theoryctl_providers.contract import ERROR_SCHEMA, ProviderError, dumps, info_of

#: Seconds a client may take to send its request line and headers; one that dribbles them in holds no connection.
HEADER_SECONDS = 10.0
#: Seconds and bytes for which a connection that has been answered is read before it is cut: hung up at once, a client
#: that still sends would lose the answer.
LINGER_SECONDS, LINGER_BYTES = 1.0, 1 << 20
#: Bytes of answers that wait for the end of a turn; with more, a client too slow for them must be noticed.
HELD = 64 << 10


class _Joined:
    """A transport that sends what belongs together in one piece.

    uvicorn writes head and body of an answer separately, and uvloop sends each write at once: one packet too many. So
    the head is held back until the body comes. With several clients, all answers of one turn of the loop leave at its
    end; with a single client that would only delay its answer by a turn.
    """

    def __init__(
        self, transport: Any, loop: asyncio.AbstractEventLoop, connections: Collection[Any], hang_up: Callable[[], None]
    ) -> None:
        self._transport, self._loop, self._connections, self._hang_up = transport, loop, connections, hang_up
        self.is_closing = transport.is_closing  # as `__getattr__` would find it, but asked for with every answer
        self._held = b""
        self._soon = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        self._held += data
        if data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 100 "):
            return
        if len(self._connections) == 1 or len(self._held) > HELD:
            self.flush()
        elif not self._soon:
            self._soon = True
            self._loop.call_soon(self.flush)

    def end(self) -> None:
        """Send what there is of an answer that has ended: of one without a body, as to HEAD, the head."""
        if not self._soon:
            self.flush()

    def flush(self) -> None:
        held, self._held, self._soon = self._held, b"", False
        if held and not self.is_closing():  # the client may have gone since
            self._transport.write(held)

    def close(self) -> None:
        self.flush()
        self._hang_up()


class Protocol(HttpToolsProtocol):
    """Hangs up on clients whose headers, or whose refused bodies, do not come to an end: uvicorn itself waits for ever.

    `head_bytes` bounds a request's line and headers while they come.
    """

    _patience: asyncio.TimerHandle | None = None
    #: Requests that have begun, and whether the head of the last has not come to its end, or that of a first not begun.
    _begun, _in_head = 0, True
    _unfinished = False
    #: The end of the last answer, by the loop's clock, and the clock of a connection that waits for another request.
    _idle_since = 0.0
    _idle: asyncio.TimerHandle | None = None
    _lingers = False
    _surplus = 0

    def __init__(self, *, head_bytes: int, **options: Any) -> None:
        super().__init__(**options)
        self._head_bytes = head_bytes

    def connection_made(self, transport: Any) -> None:
        self._socket = transport
        joined: Any = _Joined(transport, self.loop, self.connections, self._hang_up)
        self._joined = joined
        super().connection_made(joined)
        self._patience = self.loop.call_later(HEADER_SECONDS, transport.close)

    def data_received(self, data: bytes) -> None:
        if self._lingers:
            self._count(data, LINGER_BYTES, self._socket.abort)
            return
        awaited, begun = self._in_head, self._begun
        super().data_received(data)
        if not self._in_head:  # as of most requests, whose heads come in one piece: no clock is set for them
            self._surplus = 0
        elif awaited and begun == self._begun:
            self._count(data, self._head_bytes, self._refuse_head)
        else:
            self._surplus = 0
            self._patience = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def on_message_begin(self) -> None:
        self._unfinished = self._in_head = True
        self._begun += 1
        self._calm()
        super().on_message_begin()
        self.scope[HANG_UP] = self.transport.close  # type: ignore[literal-required]

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._calm()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._unfinished = False
        self.scope[WHOLE] = True  # type: ignore[literal-required]
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._joined.end()
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        # As uvicorn's, but for a clock that goes on while requests come: to set one for each takes its time.
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if self._idle is None:
            self._idle = self.loop.call_later(self.timeout_keep_alive, self._look)

    def _look(self) -> None:
        """Hang up on a client that has not asked for anything in its time."""
        self._idle = None
        if self._unfinished or not self.cycle.response_complete:
            return  # the end of that answer sets the clock again
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._idle = self.loop.call_later(left, self._look)
        else:
            self.transport.close()

    def eof_received(self) -> None:
        # The client has no more to ask, but may well listen; the transport closes itself after this.
        self._joined.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._calm()
        if self._idle is not None:
            self._idle.cancel()
        super().connection_lost(exc)

    def _count(self, data: bytes, most: int, then: Callable[[], None]) -> None:
        self._surplus += len(data)
        if self._surplus > most:
            then()

    def _refuse_head(self) -> None:
        """Refuse a request of which nothing is known but its size."""
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_HEAD_TOO_LARGE)
        self.transport.close()

    def _hang_up(self) -> None:
        """Close the connection: at once, or where the client still sends, when it has had time to read the answer."""
        if not self._unfinished or self._lingers or self._socket.is_closing():
            self._socket.close()
            return
        self._lingers, self._surplus = True, 0
        self._joined.is_closing = lambda: True
        self._calm()
        self._patience = self.loop.call_later(LINGER_SECONDS, self._socket.abort)
        self._socket.resume_reading()
        self._socket.write_eof()

    def _calm(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def _raw_refusal() -> bytes:
    error = ProviderError("ERR_TOO_LARGE", "the headers are too large", hint="send less")
    body = dumps({"schema": ERROR_SCHEMA, "status": "error", "error": info_of(error)}).encode()
    head = f"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: {len(body)}\r\n"
    return f"{head}content-type: application/json\r\nconnection: close\r\n\r\n".encode() + body


_HEAD_TOO_LARGE = _raw_refusal()
