"""The peer of the server benchmark: what an HTTP answer in JSON costs at least, with starlette under uvicorn."""

from __future__ import annotations

import os
import socket
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def health(request: Request) -> JSONResponse:
    return JSONResponse({"ready": True})


async def echo(request: Request) -> JSONResponse:
    return JSONResponse(await request.json())


class _Server(uvicorn.Server):
    """Writes its port to a file descriptor, as `theoryctl_providers --ready-fd` does."""

    def __init__(self, config: uvicorn.Config, ready_fd: int) -> None:
        super().__init__(config)
        self._ready_fd = ready_fd

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        os.write(self._ready_fd, f"{port}\n".encode())
        os.close(self._ready_fd)


def main() -> None:
    """Serve on a free port until SIGTERM; the one argument is the file descriptor."""
    app = Starlette(routes=[Route("/healthz", health), Route("/echo", echo, methods=["POST"])])
    # Nothing it could do without: no log, no websockets, no lifespan.
    config = uvicorn.Config(
        app,
        port=0,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        backlog=2048,
    )
    _Server(config, int(sys.argv[1])).run()


if __name__ == "__main__":
    main()
