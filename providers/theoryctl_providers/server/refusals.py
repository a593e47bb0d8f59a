"""Refuse a request before it reaches its wire, in the wire's own shape."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from theoryctl_providers.contract import ProviderError
from theoryctl_providers.wires.dialect import Dialect
from theoryctl_providers.wires.failure import refused
from theoryctl_providers.wires.reply import Headers, Reply


def refusal(dialect: Dialect, error: ProviderError, status: int | None = None, headers: Headers = ()) -> ASGIApp:
    """Make the application that answers with an error. `status` comes before the one that the dialect has for it."""

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await Reply(scope, send, headers).whole(dialect.failure(refused(scope, error, status)))

    return app
