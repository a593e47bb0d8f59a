"""The process around the application: one uvicorn worker, its sockets, its signals and its drain."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Collection
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from theoryctl_providers.asgi.connection import HANG_UP, WHOLE
from theoryctl_providers.contract import ProviderError
from theoryctl_providers.contract.wire import ServerConfig
from theoryctl_providers.lookup import get_llm_provider
from theoryctl_providers.server.app import log_line, make_app
from theoryctl_providers.server.gate import Gate

#: Seconds a client may take to send its request line and headers; one that dribbles them in holds no connection.
HEADER_SECONDS = 10.0
#: Bytes of answers that wait for the end of a turn; with more, a client too slow for them must be noticed.
HELD = 64 << 10


def serve(config: ServerConfig, host: str, port: int, ready_fd: int | None) -> int:
    """Serve until told to stop and return 0. Raises ProviderError when the provider or the port cannot be had."""
    provider = get_llm_provider(config.provider.provider)
    # Before anything can be asked: a real instance's first call is as warm as its second.
    provider.prepare(config.provider.mode)
    listener = _listen(host, port)
    app = make_app(config, log_line)
    # Requests leave next to no cycles behind: looking for them less often saves a few per cent.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    server = _Server(_settings(app), app, config.limits.drain_seconds, ready_fd)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(server.serve(sockets=[listener]))
        runner.run(provider.aclose())
    return 0


def _loop_factory() -> Any:
    """uvloop where there is one: a fifth less CPU a request."""
    try:
        import uvloop
    except ImportError:  # Windows
        return None
    return uvloop.new_event_loop


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ProviderError(
            "ERR_NOT_RUNNING",
            f"cannot listen on {host}:{port}: {error.strerror}",
            hint="choose another port, or 0",
        ) from None
    return listener


def _settings(app: Gate) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Protocol,
        loop="none",
        lifespan="off",
        # Not what happens to be installed: a websocket would come past the gate.
        ws="none",
        access_log=False,
        # Nothing here asks who the client is.
        proxy_headers=False,
        log_level="warning",
        server_header=False,
        date_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=1,
        backlog=2048,
    )


class _Joined:
    """A transport that sends what belongs together in one piece.

    uvicorn writes head and body of an answer separately, and uvloop sends each write at once: one packet too many. So
    the head is held back until the body comes. With several clients, all answers of one turn of the loop leave at its
    end; with a single client that would only delay its answer by a turn.
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop, connections: Collection[Any]) -> None:
        self._transport, self._loop, self._connections = transport, loop, connections
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
        self._transport.close()


class _Protocol(HttpToolsProtocol):
    """Hangs up on a client whose headers do not come: uvicorn itself would wait for ever."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        joined: Any = _Joined(transport, self.loop, self.connections)
        self._joined = joined
        super().connection_made(joined)
        self._patience = self.loop.call_later(HEADER_SECONDS, transport.close)

    def on_message_begin(self) -> None:
        self._calm()
        self._patience = self.loop.call_later(HEADER_SECONDS, self.transport.close)
        super().on_message_begin()
        self.scope[HANG_UP] = self.transport.close  # type: ignore[literal-required]

    def on_headers_complete(self) -> None:
        self._calm()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.scope[WHOLE] = True  # type: ignore[literal-required]
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._joined.end()
        super().on_response_complete()

    def eof_received(self) -> None:
        # The client has no more to ask, but may well listen; the transport closes itself after this.
        self._joined.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._calm()
        super().connection_lost(exc)

    def _calm(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class _Server(uvicorn.Server):
    """Tells when it is ready, and drains on SIGTERM and SIGINT before it exits with 0."""

    def __init__(self, config: uvicorn.Config, gate: Gate, drain_seconds: float, ready_fd: int | None) -> None:
        super().__init__(config)
        self._gate, self._drain_seconds, self._ready_fd = gate, drain_seconds, ready_fd
        self._stopping: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._ready_fd is not None and sockets:
            os.write(self._ready_fd, f"{sockets[0].getsockname()[1]}\n".encode())
            os.close(self._ready_fd)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not noted as uvicorn does: it would raise the signal again at its end, and a drained exit is a success.
        asyncio.get_running_loop().call_soon_threadsafe(self._stop, sig)

    def _stop(self, sig: int) -> None:
        if self._stopping is not None and sig == signal.SIGINT:
            self.force_exit = self.should_exit = True
        elif self._stopping is None:
            self._stopping = asyncio.ensure_future(self._drained())

    async def _drained(self) -> None:
        await self._gate.drain(self._drain_seconds)
        self.should_exit = True
