"""OpenAI's API as a dialect: its paths, and who answers each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope

from theoryctl_providers.contract.wire import ServerConfig
from theoryctl_providers.inputs.normalize import vendor_in
from theoryctl_providers.lookup import default_model_of
from theoryctl_providers.wires.dialect import Dialect, rate_limits
from theoryctl_providers.wires.exchange import Answering, Exchange, json_object
from theoryctl_providers.wires.failure import Failure
from theoryctl_providers.wires.mode import mode_of
from theoryctl_providers.wires.openai.batches.answers import INSTEAD, Batches
from theoryctl_providers.wires.openai.chat import ChatCompletion
from theoryctl_providers.wires.openai.embeddings import Embeddings
from theoryctl_providers.wires.openai.errors import error_answer
from theoryctl_providers.wires.openai.mocked import Mocked
from theoryctl_providers.wires.openai.models import model_document, models_document
from theoryctl_providers.wires.openai.responses.exchange import InputTokens, ResponsesCall
from theoryctl_providers.wires.openai.responses.memory import Memory
from theoryctl_providers.wires.openai.responses.remembered import tells
from theoryctl_providers.wires.reply import Headers, Whole
from theoryctl_providers.wires.telling import Telling
from theoryctl_providers.wires.tenant import Tenant, kept_for

#: Makes an exchange of a body. Raises ProviderError for one that cannot be translated.
MakeExchange = Callable[[Mapping[str, Any]], Exchange]


class OpenAI(Dialect):
    """Completions, responses, embeddings, moderations and models.

    A model without a vendor is of the default model's.
    """

    name = "OpenAI"
    example = "POST /v1/chat/completions"
    prefixes = ("/v1/",)
    id_header = b"x-request-id"
    #: The beginnings of paths in the lines of a batch.
    batched: tuple[str, ...] = ("/v1",)

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._vendor = vendor_in(default_model_of(config.provider))
        self._own = Tenant(config.provider)
        self.routes = {
            ("POST", "/v1/chat/completions"): self._answering(ChatCompletion),
            ("POST", "/v1/completions"): self._answering(_completion),
            ("POST", "/v1/moderations"): Mocked(self, config, self._moderation),
            ("POST", "/v1/responses"): self._remembering(ResponsesCall),
            ("POST", "/v1/responses/input_tokens"): self._remembering(InputTokens),
            **{place: Telling(self, tell) for place, tell in tells(self._memory).items()},
            ("POST", "/v1/embeddings"): self._answering(Embeddings),
            ("GET", "/v1/models"): Telling(self, self._models),
            ("GET", "/v1/models/{model}"): Telling(self, self._models),
        }
        batches = Batches(self.name, config.limits, self.routes, self._own, self.batched)
        told = {place: Mocked(self, config, tell, INSTEAD) for place, tell in batches.tells().items()}
        self.routes = {**self.routes, **told}

    def vendor_headers(self, told: Mapping[str, str]) -> Headers:
        """Pass on the rate limits, by the names that the vendor gives them."""
        return rate_limits(told)

    def failure(self, failure: Failure) -> Whole:
        """Write OpenAI's error object."""
        return error_answer(failure)

    def _answering(self, make: MakeExchange) -> ASGIApp:
        return self._reading(lambda _scope: make)

    def _remembering(self, make: Callable[[Mapping[str, Any], Memory], Exchange]) -> ASGIApp:
        return self._reading(lambda scope: lambda body: make(body, self._memory(scope)))

    def _memory(self, scope: Scope) -> Memory:
        """The responses of who asks, which nobody else sees."""
        return kept_for(scope, self._own, self.name, Memory)

    def _reading(self, maker: Callable[[Scope], MakeExchange]) -> ASGIApp:
        async def read(scope: Scope, receive: Receive) -> Exchange:
            exchange = maker(scope)(self._body(scope, await json_object(receive, self._config.limits)))
            # OpenAI's clients try again by themselves: tried again here too, one call would be made nine times.
            exchange.options = {"mode": mode_of(scope), "vendor": self._vendor, "retries": False}
            return exchange

        return Answering(self, self._config, read)

    def _body(self, _scope: Scope, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The body of a request, with what its path says."""
        return body

    async def _moderation(self, _scope: Scope, receive: Receive) -> dict[str, Any]:
        from theoryctl_providers.wires.openai.moderations import moderation

        return moderation(await json_object(receive, self._config.limits))

    def _models(self, scope: Scope) -> dict[str, Any]:
        provider, name = self._config.provider, scope.get("path_params", {}).get("model")
        return models_document(scope, provider) if name is None else model_document(name, scope, provider)


def _completion(body: Mapping[str, Any]) -> Exchange:
    from theoryctl_providers.wires.openai.completions import Completion

    return Completion(body)
