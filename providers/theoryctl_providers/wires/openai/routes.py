"""The paths of the OpenAI wire, and who answers each."""

from __future__ import annotations

import json
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from theoryctl_providers.contract import (
    Mode,
    ProviderError,
    resolve_mode,
)
from theoryctl_providers.contract.envelope import info_of
from theoryctl_providers.contract.wire import ServerConfig
from theoryctl_providers.wires.exchange import _Route, mode_of
from theoryctl_providers.wires.openai.chat import ChatCompletion
from theoryctl_providers.wires.openai.embeddings import Embeddings
from theoryctl_providers.wires.openai.models import model_document, models_document
from theoryctl_providers.wires.openai.reply import Reply
from theoryctl_providers.wires.openai.responses.exchange import ResponsesCall

#: Below this path, which holds the id of a model, everything is one route.
MODEL = "/v1/models/"


def openai_routes(config: ServerConfig) -> dict[tuple[str, str], ASGIApp]:
    """Method and path of each route, and the ASGI application that answers it."""
    models = _Models(config)
    return {
        ("POST", "/v1/chat/completions"): _Route(config, ChatCompletion),
        ("POST", "/v1/responses"): _Route(config, ResponsesCall),
        ("POST", "/v1/embeddings"): _Route(config, Embeddings),
        ("GET", "/v1/models"): models,
        ("GET", MODEL): models,
    }


class _Models:
    def __init__(self, config: ServerConfig) -> None:
        self._config = config.provider

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = Reply(scope, send)
        try:
            document = self._document(scope["path"].removeprefix(MODEL), mode_of(scope["headers"]))
        except ProviderError as error:
            await reply.error(info_of(error), error)
        else:
            await reply.whole(json.dumps(document).encode())

    def _document(self, name: str, asked: Mode | None) -> dict[str, Any]:
        mode = resolve_mode({}, asked, self._config.mode)
        return models_document(self._config) if name == "/v1/models" else model_document(name, mode, self._config)
