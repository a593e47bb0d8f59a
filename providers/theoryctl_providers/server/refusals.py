"""Errors that belong to no run, in the shape of the wire whose path was asked."""

from __future__ import annotations

from starlette.types import ASGIApp, Scope

from theoryctl_providers.contract import ProviderError
from theoryctl_providers.wires.openai import reply as openai
from theoryctl_providers.wires.run import route as run

#: The one path below /v1 that is ours; OpenAI's clients ask for any other.
_OURS = "/v1/run"


def refusal(scope: Scope, error: ProviderError, status: int | None = None) -> ASGIApp:
    """Write `theoryctl.error/v1`, or OpenAI's shape below /v1; with Retry-After where trying again may help."""
    path = scope["path"]
    if path.startswith("/v1/") and path != _OURS:
        return openai.refusal(error, status)
    return run.refusal(error, status)
