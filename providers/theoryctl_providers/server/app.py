"""The HTTP contract of a started provider: translates to and from the engine, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from theoryctl_providers.contract import (
    ProviderError,
)
from theoryctl_providers.contract.wire import ServerConfig
from theoryctl_providers.server.gate import Gate
from theoryctl_providers.server.refusals import refusal
from theoryctl_providers.wires.openai.routes import MODEL, openai_routes
from theoryctl_providers.wires.run.route import _answering, _Server


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


def log_line(line: str) -> None:
    """One line on standard error, whole, whatever else writes there."""
    os.write(2, f"{line}\n".encode())
