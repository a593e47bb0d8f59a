"""Anthropic's API as a dialect: its paths, and who answers each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.types import Receive, Scope

from theoryctl_providers.contract.wire import ServerConfig
from theoryctl_providers.wires.dialect import BEARER, AnyCredential, Dialect, HeaderCredential, rate_limits
from theoryctl_providers.wires.exchange import Answering, Exchange, json_object
from theoryctl_providers.wires.failure import Failure
from theoryctl_providers.wires.mode import mode_of
from theoryctl_providers.wires.reply import Headers, Whole
from theoryctl_providers.wires.telling import Telling


class Anthropic(Dialect):
    """Messages, their tokens, and models. A model without a vendor is one of Anthropic's."""

    name = "Anthropic"
    example = "POST /v1/messages"
    #: The AI SDK takes ANTHROPIC_BASE_URL for an address that ends with the version, which Anthropic's own client adds
    #: (@ai-sdk/anthropic 4.0, anthropic-provider.ts, normalizeBaseURL).
    prefixes = ("/v1/messages", "/v1/", "/messages")
    marks = frozenset((b"anthropic-version",))
    #: An API key, or what clients call an auth token.
    credential = AnyCredential("the key in x-api-key", (HeaderCredential("the key", b"x-api-key"), BEARER))
    id_header = b"request-id"

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        messages = Answering(self, config, self._messages)
        self.routes = {
            ("POST", "/v1/messages"): messages,
            ("POST", "/messages"): messages,
            ("POST", "/v1/messages/count_tokens"): Answering(self, config, self._count_tokens),
            ("GET", "/v1/models"): Telling(self, self._models),
            ("GET", "/v1/models/{model}"): Telling(self, self._models),
        }

    def vendor_headers(self, told: Mapping[str, str]) -> Headers:
        """Pass on the rate limits, by the names that the vendor gives them."""
        return rate_limits(told)

    def failure(self, failure: Failure) -> Whole:
        """Write Anthropic's error object."""
        from theoryctl_providers.wires.anthropic.errors import error_answer

        return error_answer(failure)

    async def _messages(self, scope: Scope, receive: Receive) -> Exchange:
        from theoryctl_providers.wires.anthropic.messages import Messages

        return self._told(Messages(await json_object(receive, self._config.limits)), scope)

    async def _count_tokens(self, scope: Scope, receive: Receive) -> Exchange:
        from theoryctl_providers.wires.anthropic.messages import TokenCount

        return self._told(TokenCount(await json_object(receive, self._config.limits)), scope)

    def _told(self, exchange: Exchange, scope: Scope) -> Exchange:
        # Anthropic's clients try again by themselves, as OpenAI's do.
        exchange.options = {"mode": mode_of(scope), "vendor": "anthropic", "retries": False}
        return exchange

    def _models(self, scope: Scope) -> dict[str, Any]:
        from theoryctl_providers.wires.anthropic.models import model_document, models_document

        provider, name = self._config.provider, scope.get("path_params", {}).get("model")
        return models_document(scope, provider) if name is None else model_document(name, scope, provider)
