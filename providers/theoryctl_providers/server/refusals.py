"""An error that is no run's, in the language of the path that was asked."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from theoryctl_providers.contract import ERROR_SCHEMA, ERRORS, ProviderError, dumps
from theoryctl_providers.openai.reply import Reply, info_of

#: The one path below /v1 that is ours; OpenAI's clients ask for any other.
_OURS = "/v1/run"


def refusal(scope: Scope, error: ProviderError, status: int | None = None) -> ASGIApp:
    """`theoryctl.error/v1`, or OpenAI's shape below /v1; with Retry-After where trying again may help."""
    path = scope["path"]
    return _openai(error, status) if path.startswith("/v1/") and path != _OURS else _ours(error, status)


def _ours(error: ProviderError, status: int | None) -> Response:
    headers = {"connection": "close"} if error.code in ("ERR_TOO_LARGE", "ERR_TIMEOUT") else {}
    if error.code in ("ERR_OVERLOADED", "ERR_NOT_RUNNING"):
        headers["retry-after"] = "1"
    body = dumps({"schema": ERROR_SCHEMA, "status": "error", "error": info_of(error)}).encode()
    return Response(body, status or ERRORS[error.code].http_status, headers, "application/json")


def _openai(error: ProviderError, status: int | None) -> ASGIApp:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await Reply(scope, send).error(info_of(error), error, status=status)

    return app
