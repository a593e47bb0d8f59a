"""Gemini's API as a dialect: its paths, and who answers each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope

from theoryctl_providers.contract.wire import ServerConfig
from theoryctl_providers.wires.dialect import BEARER, AnyCredential, Dialect, HeaderCredential
from theoryctl_providers.wires.exchange import Answering, Exchange, json_object
from theoryctl_providers.wires.failure import Failure, retry_headers
from theoryctl_providers.wires.mode import mode_of
from theoryctl_providers.wires.reply import Whole
from theoryctl_providers.wires.telling import Telling

#: Makes an exchange of the model in the path, the body, and the query. Raises ProviderError.
Make = Callable[[str, Mapping[str, Any], Mapping[str, list[str]]], Exchange]

_VERSIONS = ("/v1beta", "/v1alpha", "/v1")


@dataclass(frozen=True, slots=True)
class QueryCredential:
    """A token in the query of the address, as `name`."""

    called: str
    name: str

    def of(self, scope: Scope) -> bytes:
        """The token; empty where there is none."""
        return query_of(scope).get(self.name, [""])[-1].encode("latin-1", "replace")


_KEY = HeaderCredential("the key", b"x-goog-api-key")


class Gemini(Dialect):
    """Contents, embeddings, tokens and models. A model without a vendor is one of Gemini's."""

    name = "Gemini"
    example = "POST /v1beta/models/MODEL:generateContent"
    prefixes = ("/v1beta/", "/v1alpha/", "/v1/")
    marks = frozenset((b"x-goog-api-key", b"x-goog-api-client"))
    credential = AnyCredential("the key in x-goog-api-key", (_KEY, QueryCredential("the key", "key"), BEARER))
    id_header = b"x-request-id"

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        makes: dict[str, Make] = {
            "generateContent": _whole,
            "streamGenerateContent": _streamed,
            "countTokens": _count,
            "embedContent": _embed,
            "batchEmbedContents": _embed_several,
        }
        self.routes = {
            ("POST", f"{version}/models/{{model}}:{method}"): self._answering(make)
            for version in _VERSIONS
            for method, make in makes.items()
        }
        models = Telling(self, self._models)
        self.routes |= {("GET", f"{version}/models"): models for version in _VERSIONS}
        self.routes |= {("GET", f"{version}/models/{{model}}"): models for version in _VERSIONS}

    def failure(self, failure: Failure) -> Whole:
        """Write Google's error object."""
        from theoryctl_providers.contract import dumps
        from theoryctl_providers.wires.gemini.errors import error_document, status_of

        status = status_of(failure)
        return Whole(dumps(error_document(failure)).encode(), status, retry_headers(failure, status))

    def _answering(self, make: Make) -> ASGIApp:
        async def read(scope: Scope, receive: Receive) -> Exchange:
            body = await json_object(receive, self._config.limits)
            exchange = make(scope["path_params"]["model"], body, query_of(scope))
            exchange.options = {"mode": mode_of(scope), "vendor": "gemini", "retries": False}
            return exchange

        return Answering(self, self._config, read)

    def _models(self, scope: Scope) -> dict[str, Any]:
        from theoryctl_providers.wires.gemini.models import model_document, models_document

        provider, name = self._config.provider, scope.get("path_params", {}).get("model")
        return models_document(scope, provider) if name is None else model_document(name, scope, provider)


def query_of(scope: Scope) -> dict[str, list[str]]:
    """The query of a request."""
    return parse_qs(scope["query_string"].decode("latin-1"))


def _whole(model: str, body: Mapping[str, Any], _query: Mapping[str, list[str]]) -> Exchange:
    from theoryctl_providers.wires.gemini.generate import Generate

    return Generate(model, body)


def _streamed(model: str, body: Mapping[str, Any], query: Mapping[str, list[str]]) -> Exchange:
    from theoryctl_providers.wires.gemini.generate import StreamedGenerate

    return StreamedGenerate(model, body, as_events=query.get("alt") == ["sse"])


def _count(model: str, body: Mapping[str, Any], _query: Mapping[str, list[str]]) -> Exchange:
    from theoryctl_providers.wires.gemini.generate import TokenCount

    return TokenCount(model, body)


def _embed(model: str, body: Mapping[str, Any], _query: Mapping[str, list[str]]) -> Exchange:
    from theoryctl_providers.wires.gemini.embed import Embed

    return Embed(model, body)


def _embed_several(model: str, body: Mapping[str, Any], _query: Mapping[str, list[str]]) -> Exchange:
    from theoryctl_providers.wires.gemini.embed import EmbedSeveral

    return EmbedSeveral(model, body)
