"""Servers: an address for each, and a proxy that leads from there to its containers, as modal.com/docs/guide/servers
says it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress

import aiohttp
from aiohttp import web

from tests.modal.service.container import Container
from tests.modal.service.containers import Fleet
from tests.modal.service.state import LIVE, Function, State
from tests.modal.service.worker import IDLE

#: Headers that are about one connection (RFC 9110, 7.6.1).
HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
#: Seconds between two looks at each container, and looks in vain after which one is ended.
PAUSE, MOST_MISSES = 0.05, 3
#: Seconds that a container has to end after SIGTERM.
TO_END = 30.0


class Servers:
    """The addresses and the proxy of all servers."""

    def __init__(self, state: State, fleet: Fleet) -> None:
        self.state = state
        self.fleet = fleet
        self._runners: dict[str, web.AppRunner] = {}

    async def open(self) -> None:
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )
        self._watch = asyncio.create_task(self._look_after_all())

    async def close(self) -> None:
        self._watch.cancel()
        await self._client.close()
        for runner in self._runners.values():
            await runner.cleanup()

    async def address(self, function: Function) -> str:
        """The URL of a server, which stays the same from one deployment to the next."""
        if function.id not in self._runners:

            async def answer(request: web.Request) -> web.StreamResponse:
                return await self._answer(function, request)

            app = web.Application(client_max_size=2**31)
            app.router.add_route("*", "/{path:.*}", answer)
            runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
            self._runners[function.id] = runner
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = self._runners[function.id].addresses[0][:2]
        return f"http://{host}:{port}"

    async def _answer(self, function: Function, request: web.Request) -> web.StreamResponse:
        app = self.state.app(function.app_id)
        if app.state not in LIVE or function.id not in app.functions or function.definition is None:
            return web.Response(status=404, text="modal-http: app for invoked web endpoint is stopped")
        if not function.definition.http_config.unauthenticated and not self._is_let_in(request.headers):
            return web.Response(status=401, text="modal-http: missing credentials for proxy authorization")
        container = self._least_busy(function)
        if container is None:  # requests do not wait, but they start a container ("Zero-to-one scaling")
            function.is_wanted = True
            self.fleet.scale(function)
            return web.Response(status=503, text="modal-http: no container is ready")
        container.requests += 1
        if not container.free:
            function.is_wanted = True
            self.fleet.scale(function)
        try:
            return await self._passed_on(container, request)
        finally:
            container.requests -= 1
            container.last = time.monotonic()

    def _is_let_in(self, headers: Mapping[str, str]) -> bool:
        """Tell if a request has a proxy token, in either of the two ways (modal.com/docs/guide/webhook-proxy-auth)."""
        pair = (headers.get("Modal-Key", ""), headers.get("Modal-Secret", ""))
        identity, _, secret = headers.get("Authorization", "").removeprefix("Bearer ").partition(".")
        return bool({pair, (identity, secret)} & self.state.proxy_tokens)

    def _least_busy(self, function: Function) -> Container | None:
        """The container that gets the next request: one that listens, and is not told to end."""
        ready = [one for one in self.fleet.of(function) if one.is_listening and not one.retiring]
        return min(ready, key=lambda one: one.requests, default=None)

    async def _passed_on(self, container: Container, request: web.Request) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        body = request.content if request.body_exists else None
        url = f"http://127.0.0.1:{container.port}{request.raw_path}"
        answer: web.StreamResponse | None = None
        try:
            async with self._client.request(
                request.method, url, headers=headers, data=body, allow_redirects=False
            ) as said:
                kept = [(name, value) for name, value in said.headers.items() if name.lower() not in HOP_BY_HOP]
                answer = web.StreamResponse(status=said.status, reason=said.reason)
                for name, value in kept:
                    answer.headers.add(name, value)
                await answer.prepare(request)
                async for piece in said.content.iter_any():
                    await answer.write(piece)
            await answer.write_eof()
            return answer
        except aiohttp.ClientError:
            if answer is None:
                return web.Response(status=502, text="modal-http: the container broke off")
            if request.transport is not None:  # a part was sent: all that is left is to hang up
                request.transport.abort()
            return answer

    async def _look_after_all(self) -> None:
        while True:
            await asyncio.sleep(PAUSE)
            for container in list(self.state.containers.values()):
                if container.definition.is_server and container.process is not None:
                    try:
                        await self._look_after(container)
                    except Exception as error:
                        self.state.wire.bugs.append(error)

    async def _look_after(self, container: Container) -> None:
        """Notice whether it listens; end one that does so no more, or that nobody asked for long."""
        if container.retiring:
            self._end(container)
        elif container.ready and await _listens(container.port):
            container.is_listening, container.misses = True, 0
            container.function.is_wanted = False
            self._retire_if_idle(container)
        elif container.is_listening:
            container.misses += 1
            if container.misses >= MOST_MISSES:
                container.function.is_wanted = True
                _signal(container, signal.SIGKILL)

    def _retire_if_idle(self, container: Container) -> None:
        function, definition = container.function, container.definition
        idle = definition.task_idle_timeout_secs or IDLE
        keeps = len(self.fleet.of(function)) <= definition.autoscaler_settings.min_containers
        if not container.requests and not keeps and time.monotonic() - container.last > idle:
            self.fleet.retire(container)

    def _end(self, container: Container) -> None:
        """Send SIGTERM once its requests are done or have had their time, later SIGKILL ("Container lifecycle")."""
        now = time.monotonic()
        container.retired_at = container.retired_at or now
        grace = container.definition.http_config.exit_grace_period
        if not container.is_told and (not container.requests or now - container.retired_at > grace):
            container.is_told = True
            _signal(container, signal.SIGTERM)
            self.fleet.later(container, TO_END, _signal, container, signal.SIGKILL)


def _signal(container: Container, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(container.pid, number)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
