"""The process around the application: one uvicorn worker, its sockets, its signals and its drain."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
from functools import partial
from types import FrameType
from typing import Any

import uvicorn

from theoryctl_providers.blame import blamed
from theoryctl_providers.contract import ProviderError
from theoryctl_providers.contract.wire import Limits, ServerConfig
from theoryctl_providers.engine.loop import run_through
from theoryctl_providers.lookup import get_llm_provider
from theoryctl_providers.server.app import make_app
from theoryctl_providers.server.gate import Gate
from theoryctl_providers.server.log import Log
from theoryctl_providers.server.protocol import HELD, Protocol

#: Connections that may come in during one turn of the loop.
DOORS = 16


def serve(config: ServerConfig, host: str, port: int, ready_fd: int | None, log: Log) -> int:
    """Serve until told to stop and return 0.

    Raises ProviderError when the provider or the port cannot be had, or the provider cannot be closed.
    """
    provider = get_llm_provider(config.provider.provider)
    with blamed(provider, "prepare"):
        # Before anything can be asked: a real instance's first call is as warm as its second.
        provider.prepare(config.provider.mode)
    listener = listen(host, port)
    app = make_app(config, log.line)
    # A mock's requests leave next to no cycles behind; LiteLLM's calls leave some, those that are cancelled most: with
    # 20,000, 5 and 5 a real server grew by 26 MiB in a thousand of them, with these by 8, and by 0.4 in each thousand
    # that followed. What is loaded is not looked through.
    gc.freeze()
    gc.set_threshold(1_000, 5, 2)
    server = Server(settings(app, config.limits), app, config.limits.drain_seconds, ready_fd)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        run_through(runner, server.serve(sockets=_doors(listener)))
        with blamed(provider, "aclose"):
            runner.run(provider.aclose())
    return 0


def _loop_factory() -> Any:
    """uvloop where there is one: a fifth less CPU a request."""
    try:
        import uvloop
    except ImportError:  # Windows
        return None
    return uvloop.new_event_loop


def listen(host: str, port: int) -> socket.socket:
    """Bind a port; 0 takes a free one. Raises ProviderError `ERR_NOT_RUNNING` where it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # not on Windows
        # Otherwise the kernel takes up to 4 MiB of an answer that its client does not read.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, HELD)
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


def _doors(listener: socket.socket) -> list[socket.socket]:
    """The listening socket, as often as connections may come in during one turn of the loop.

    libuv accepts one in a turn from each (1.52, src/unix/stream.c, uv__server_io): a client behind a hundred others
    would wait for a hundred turns, in each of which those that came before it are answered.
    """
    return [listener, *(listener.dup() for _ in range(DOORS - 1))]


def settings(app: Gate, limits: Limits) -> uvicorn.Config:
    """Return the settings of uvicorn that every server here has."""
    # The gate weighs the headers alone; here the request's line comes with them.
    protocol: Any = partial(Protocol, head_bytes=2 * limits.headers)
    return uvicorn.Config(
        app,
        http=protocol,
        loop="none",
        lifespan="off",
        # Not what happens to be installed: a websocket would come past the gate.
        ws="none",
        access_log=False,
        # Nothing here asks who the client is.
        proxy_headers=False,
        # What it tells of is in no line of the log: clients' faults, and at the server's end the requests that it cuts
        # off. The gate catches all that an application can raise.
        log_level="critical",
        server_header=False,
        date_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=1,
        backlog=2048,
    )


class Server(uvicorn.Server):
    """Tells when it is ready, and drains on SIGTERM and SIGINT before it exits with 0."""

    def __init__(self, config: uvicorn.Config, gate: Gate, drain_seconds: float, ready_fd: int | None) -> None:
        super().__init__(config)
        self._gate, self._drain_seconds, self._ready_fd = gate, drain_seconds, ready_fd
        self._stopping: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        # A loop notes each async generator, to close at its end those that are left: here that is the process's end.
        sys.set_asyncgen_hooks(firstiter=None)
        await super().startup(sockets)
        if self._ready_fd is not None and sockets:
            os.write(self._ready_fd, f"{sockets[0].getsockname()[1]}\n".encode())
            os.close(self._ready_fd)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not noted as uvicorn does: it would raise the signal again at its end, and a drained exit is a success.
        asyncio.get_running_loop().call_soon_threadsafe(self._stop, sig)

    def _stop(self, sig: int) -> None:
        if self._stopping is not None and sig == signal.SIGINT:
            self.force_exit = True
            self._end()
        elif self._stopping is None:
            self._stopping = asyncio.ensure_future(self._drained())

    async def _drained(self) -> None:
        await self._gate.drain(self._drain_seconds)
        await self._gate.hand_over()
        self._end()

    def end_soon(self) -> None:
        """End without a drain; any thread may say so."""
        self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self.should_exit = True
        self._ended.set()

    async def main_loop(self) -> None:
        # uvicorn's own looks ten times a second whether to end: what else it does there is switched off.
        await self.on_tick(0)
        await self._ended.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # uvicorn's own gives connections a tenth of a second to close, even where there is none.
        if self.server_state.connections:
            await super().shutdown(sockets)
