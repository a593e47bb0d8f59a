"""Ollama's API as a dialect: its paths, and who answers each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from theoryctl_providers.contract import VERSION, ProviderError, dumps
from theoryctl_providers.contract.wire import ServerConfig
from theoryctl_providers.wires.dialect import Dialect
from theoryctl_providers.wires.exchange import Answering, Exchange, json_object
from theoryctl_providers.wires.failure import Failure, refused, retry_headers
from theoryctl_providers.wires.mode import mode_of
from theoryctl_providers.wires.reply import Reply, Whole
from theoryctl_providers.wires.telling import Telling

#: Makes an exchange of a body. Raises ProviderError for one that cannot be translated.
Make = Callable[[Mapping[str, Any]], Exchange]


class Ollama(Dialect):
    """Chats, completions, embeddings and models. A model without a vendor is one of Ollama's."""

    name = "Ollama"
    example = "POST /api/chat"
    prefixes = ("/api/",)
    id_header = b"x-request-id"

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self.routes = {
            ("POST", "/api/chat"): self._answering(_chat),
            ("POST", "/api/generate"): self._answering(_generate),
            ("POST", "/api/embed"): self._answering(_embed),
            ("POST", "/api/embeddings"): self._answering(_embeddings),
            ("POST", "/api/show"): self._show,
            ("GET", "/api/tags"): Telling(self, self._tags),
            ("GET", "/api/ps"): Telling(self, self._tags),
            ("GET", "/api/version"): Telling(self, lambda _scope: {"version": VERSION}),
        }

    def failure(self, failure: Failure) -> Whole:
        """Write Ollama's error object."""
        from theoryctl_providers.wires.ollama.errors import error_line, status_of

        status = status_of(failure)
        return Whole(error_line(failure), status, retry_headers(failure, status))

    def _answering(self, make: Make) -> ASGIApp:
        async def read(scope: Scope, receive: Receive) -> Exchange:
            exchange = make(await json_object(receive, self._config.limits))
            exchange.options = {"mode": mode_of(scope), "vendor": "ollama", "retries": False}
            return exchange

        return Answering(self, self._config, read)

    async def _show(self, scope: Scope, receive: Receive, send: Send) -> None:
        from theoryctl_providers.wires.ollama.models import asked_model, model_document

        try:
            body = await json_object(receive, self._config.limits)
            answer = Whole(dumps(model_document(asked_model(body, scope, self._config.provider))).encode())
        except ProviderError as error:
            answer = self.failure(refused(scope, error))
        await Reply(scope, send).whole(answer)

    def _tags(self, scope: Scope) -> dict[str, Any]:
        from theoryctl_providers.wires.ollama.models import models_document

        return models_document(scope, self._config.provider)


def _chat(body: Mapping[str, Any]) -> Exchange:
    from theoryctl_providers.wires.ollama.chat import Chat

    return Chat(body)


def _generate(body: Mapping[str, Any]) -> Exchange:
    from theoryctl_providers.wires.ollama.generate import Generate

    return Generate(body)


def _embed(body: Mapping[str, Any]) -> Exchange:
    from theoryctl_providers.wires.ollama.embed import Embed

    return Embed(body)


def _embeddings(body: Mapping[str, Any]) -> Exchange:
    from theoryctl_providers.wires.ollama.embed import OlderEmbed

    return OlderEmbed(body)
