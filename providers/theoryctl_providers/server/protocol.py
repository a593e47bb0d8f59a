"""One HTTP connection: answers leave in one piece, and clients that do not come to an end are hung up on."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from theoryctl_providers.asgi.connection import COMPUTED, HANG_UP, WHOLE
from theoryctl_providers.contract import ERROR_SCHEMA, ProviderError, dumps, info_of

#: Seconds a client may take to send its request line and headers; one that dribbles them in holds no connection.
HEADER_SECONDS = 10.0
#: Seconds for which a connection that has been answered stays before it is cut, and again as long as the client still
#: takes what was said, and bytes that are read meanwhile: hung up at once, a client that still sends would lose the
#: answers (RFC 9112, section 9.6). Bytes that come behind what is no HTTP while answers are computed count as well.
LINGER_SECONDS, LINGER_BYTES = 1.0, 1 << 20
#: Bytes that are read behind a request that waits for its turn, and parsed in pieces of that size. Behind more, the end
#: of a connection is not seen, and a vendor's call goes on for nobody.
AHEAD, PIECE = 1 << 20, 64 << 10
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
    #: The request that is being answered, or was last: `cycle` is the one that came last, and may have to wait.
    _running: RequestResponseCycle | None = None
    #: Bytes to send before the connection is closed, once all that was asked before is answered; no more is read.
    _last: bytes | None = None
    #: What has come behind a request that waits for its turn.
    _ahead = b""

    def __init__(self, *, head_bytes: int, **options: Any) -> None:
        super().__init__(**options)
        self._head_bytes = head_bytes

    def connection_made(self, transport: Any) -> None:
        self._socket = transport
        joined: Any = _Joined(transport, self.loop, self.connections, self._hang_up)
        self._joined = joined
        joined.pause_reading, joined.resume_reading = self._pause, self._resume
        super().connection_made(joined)
        self._patience = self.loop.call_later(HEADER_SECONDS, transport.close)

    def data_received(self, data: bytes) -> None:
        if self._lingers or self._last is not None:
            self._count(data, LINGER_BYTES, self._socket.pause_reading)
        elif not (self.pipeline or self._ahead):
            self._read(data)
        else:
            self._ahead += data
            if len(self._ahead) > AHEAD:
                self._socket.pause_reading()

    def _read(self, data: bytes) -> None:
        awaited, begun = self._in_head, self._begun
        self._parse(data)
        if not self._in_head:  # as of most requests, whose heads come in one piece: no clock is set for them
            self._surplus = 0
        elif awaited and begun == self._begun:
            self._count(data, self._head_bytes, partial(self._refuse, _HEAD_TOO_LARGE))
        elif self._last is None and not self.transport.is_closing():
            self._surplus = 0
            self._await_head()

    def _await_head(self) -> None:
        self._patience = self.loop.call_later(HEADER_SECONDS, self._late)

    def _late(self) -> None:
        """Refuse a request whose head has not come in time; what has come behind a waiting one may be its rest."""
        if self._ahead:
            self._await_head()
        else:
            self._refuse(b"")

    def _read_on(self) -> None:
        """Read what has come while requests waited, until one has to wait again, or the connection is closed."""
        if self.transport.is_closing():  # nobody would get the answers
            return
        while self._ahead and not (self.pipeline or self.flow.read_paused):
            piece, self._ahead = self._ahead[:PIECE], self._ahead[PIECE:]
            self._read(piece)
        if len(self._ahead) <= AHEAD and (self.pipeline or not self.flow.read_paused):
            self._socket.resume_reading()

    def _pause(self) -> None:
        """Read no more of the body of the request that is being answered; the others wait unread."""
        if self.cycle is self._running or self._running is None or self._running.response_complete:
            self._socket.pause_reading()

    def _resume(self) -> None:
        self._socket.resume_reading()
        if self._ahead:
            self.loop.call_soon(self._read_on)

    def _parse(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
            except HttpParserUpgrade as found:
                data = self._head_without_upgrade() + data[found.args[0] :]
            except HttpParserError:
                self._refuse(_NO_HTTP)
                return
            else:
                return

    def _head_without_upgrade(self) -> bytes:
        """Return the head of a request that asks for another protocol without that wish, for a new parser.

        The old one takes no body after such a head. A server may ignore the wish (RFC 9110, 7.8), which Java's
        HttpClient sends with its first request. A CONNECT, which asks for a tunnel, has been read to its end.
        """
        if not self._is_to_upgrade():
            return b""
        head = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        lines = [b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
        return b"".join([head, *lines, b"\r\n"])

    def _is_to_upgrade(self) -> bool:
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def on_message_begin(self) -> None:
        self._unfinished = self._in_head = True
        self._begun += 1
        self._calm()
        super().on_message_begin()
        self.scope[HANG_UP] = self.transport.close  # type: ignore[literal-required]

    def on_headers_complete(self) -> None:
        if self._is_to_upgrade():
            return
        super().on_headers_complete()
        self._in_head = False
        self._calm()
        if not self.pipeline:
            self._running = self.cycle

    def on_message_complete(self) -> None:
        if self._is_to_upgrade():
            return
        self._unfinished = False
        self.scope[WHOLE] = True  # type: ignore[literal-required]
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._joined.end()
        if self.pipeline or self.transport.is_closing():
            if self.pipeline:
                self._running = self.pipeline[-1][0]
                if self._ahead:
                    self.loop.call_soon(self._read_on)  # before that request is looked at: its body may have come
            super().on_response_complete()
            return
        if self._last is not None:
            self._part(self._last)
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

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection for an answer that is being computed; otherwise let the transport close itself.

        The client has no more to ask, and whether it still listens nobody can tell. A vendor's call is cancelled, which
        would be paid for nobody.
        """
        self._joined.flush()
        if self._running is None or self._running.response_complete or COMPUTED not in self._running.scope:
            return False
        self.pipeline.clear()
        self._last, self._ahead = self._last or b"", b""
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._calm()
        if self._idle is not None:
            self._idle.cancel()
        self.pipeline.clear()
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def _count(self, data: bytes, most: int, then: Callable[[], None]) -> None:
        self._surplus += len(data)
        if self._surplus > most:
            then()

    def _refuse(self, answer: bytes) -> None:
        """Refuse the request that is coming in, as soon as those before it are answered."""
        self._ahead, self._unfinished = b"", True  # whatever more comes is not read
        broken = None if self._in_head else self.cycle
        if self.pipeline and self.pipeline[0][0] is broken:
            self.pipeline.popleft()
        if self._running is None or self._running.response_complete:
            self._part(answer)
        elif self._running is broken:
            self._part(b"" if broken.response_started else answer)
        else:
            self._last, self._surplus = answer, 0
            self._calm()

    def _part(self, answer: bytes) -> None:
        """Send the last there is to say, and close the connection."""
        self.transport.write(answer)
        self.transport.close()

    def _hang_up(self) -> None:
        """Close the connection: at once, or where the client still sends, when it has had time to read the answer."""
        if not self._unfinished or self._lingers or self._socket.is_closing():
            self._socket.close()
            return
        self._lingers, self._surplus = True, 0
        self._joined.is_closing = lambda: True
        self._socket.resume_reading()
        self._socket.write_eof()
        self._linger(_untaken(self._socket))

    def _linger(self, untaken: int) -> None:
        """Wait until the client has taken what was said, or takes no more of it."""
        self._calm()
        self._patience = self.loop.call_later(LINGER_SECONDS, self._cut, untaken)

    def _cut(self, before: int) -> None:
        if 0 < (untaken := _untaken(self._socket)) < before:
            self._linger(untaken)
        else:
            self._socket.abort()

    def _calm(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def _untaken(transport: Any) -> int:
    """Return the bytes that the other side of a connection has not acknowledged, as far as the system tells."""
    import fcntl
    import termios

    size: int = transport.get_write_buffer_size()
    with suppress(OSError):  # where a socket does not know (tcp(7), SIOCOUTQ, which is TIOCOUTQ)
        sent = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        size += int.from_bytes(sent, sys.byteorder)
    return size


def _raw_refusal(status: str, error: ProviderError) -> bytes:
    body = dumps({"schema": ERROR_SCHEMA, "status": "error", "error": info_of(error)}).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n"
    return f"{head}content-type: application/json\r\nconnection: close\r\n\r\n".encode() + body


_HEAD_TOO_LARGE = _raw_refusal(
    "431 Request Header Fields Too Large",
    ProviderError("ERR_TOO_LARGE", "the headers are too large", hint="send less"),
)
_NO_HTTP = _raw_refusal(
    "400 Bad Request", ProviderError("ERR_USAGE", "the request is not HTTP/1.1", hint="send it by a client of HTTP/1.1")
)
