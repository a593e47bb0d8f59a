"""Desk of the vendors' batch APIs: requests as real mode would send them, and answers as real mode reads them."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from theoryctl.batch.cost import model_of
from theoryctl.batch.requests import Check
from theoryctl.hints import again
from theoryctl.requests.failure import failure_envelope
from theoryctl_providers.contract import ProviderConfig, ProviderError, Request, Result, Stopwatch

if TYPE_CHECKING:
    from theoryctl_providers.contract import Envelope
    from theoryctl_providers.contract.vendor_batches import Answer, BatchApi
    from theoryctl_providers.litellm.stored import Exchange

T = TypeVar("T")

#: Reasons why a request has no answer: code and message.
_LOST = {
    "expired": ("ERR_TIMEOUT", "the batch expired before the vendor came to this request"),
    "cancelled": ("ERR_UNAVAILABLE", "the batch was cancelled before the vendor came to this request"),
    "unreadable": ("ERR_BAD_RESPONSE", "the vendor's answer to this request cannot be read"),
    "missing": ("ERR_BAD_RESPONSE", "the batch has ended without an answer to this request"),
}


#: Reasons for which nothing is billed (platform.claude.com/docs/en/build-with-claude/batch-processing, "Retrieve batch
#: results"; platform.openai.com/docs/guides/batch, "Batch expiration").
_FREE = frozenset(("expired", "cancelled"))


class Taken(NamedTuple):
    """The body of a request as it would be sent, with Anthropic's header for betas; or why it would not be."""

    body: bytes
    betas: str
    error: ProviderError | None = None


class Desk:
    """The batch APIs of the vendors, each opened at its first use with the key and the address of real mode."""

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._apis: dict[str, Any] = {}
        self._exchange: Exchange | None = None

    def api(self, model: str) -> BatchApi:
        """Return the API for a model. Raises ProviderError for a key that is missing, or an address that is none."""
        from theoryctl_providers.litellm.batches.open import open_batches

        vendor = model.partition("/")[0]
        if vendor not in self._apis:
            self._apis[vendor] = open_batches(model, self._config)
        api: BatchApi = self._apis[vendor]
        return api

    def take(self, requests: Sequence[Request]) -> list[Taken]:
        """Return each request as real mode would send it."""
        self._prepare()
        return _in_loop(self._take(requests))

    def read(self, asked: Sequence[tuple[Request, Answer]]) -> list[Envelope]:
        """Return the envelope of each answer, as real mode would have read it, at the price of batches."""
        self._prepare()
        return _in_loop(self._read(asked))

    def close(self) -> None:
        """Close the connections."""
        for api in self._apis.values():
            api.close()

    def _prepare(self) -> None:
        if self._exchange is None:
            from theoryctl_providers.engine.execute import prepared
            from theoryctl_providers.litellm.stored import Exchange
            from theoryctl_providers.lookup import get_llm_provider

            prepared(get_llm_provider(self._config.provider), "real")
            self._exchange = Exchange()

    async def _take(self, requests: Sequence[Request]) -> list[Taken]:
        exchange = self._stored(None)
        found = []
        for request in requests:
            exchange.sent = None
            result = await _run(request, exchange)
            if exchange.sent is None:
                found.append(Taken(b"", "", result.cause or ProviderError("ERR_INTERNAL", "no request was made")))
            else:
                found.append(Taken(exchange.sent, exchange.betas))
        return found

    async def _read(self, asked: Sequence[tuple[Request, Answer]]) -> list[Envelope]:
        found = []
        for request, answer in asked:
            if answer.lost is not None:
                found.append(_lost(request, answer.lost))
            else:
                found.append((await _run(request, self._stored(answer))).envelope)
        return found

    def _stored(self, answer: Answer | None) -> Exchange:
        exchange = self._exchange
        assert exchange is not None
        exchange.body = None if answer is None else answer.body
        exchange.status, exchange.headers = (200, {}) if answer is None else (answer.status, answer.headers)
        return exchange


async def _run(request: Request, exchange: Exchange) -> Result:
    from theoryctl_providers.engine.execute import execute
    from theoryctl_providers.litellm.stored import exchanging

    with exchanging(exchange):
        async for event in execute(request):
            if isinstance(event, Result):
                return event
    raise ProviderError("ERR_INTERNAL", "the engine ended without a result")


def _lost(request: Request, reason: str) -> Envelope:
    code, message = _LOST[reason]
    error = ProviderError(code, message, hint=again("run it again with --retry-failed", retry_failed=True))
    model = request.inputs.get("model") or request.config.default_model
    envelope = failure_envelope(request, Stopwatch(), model, error)
    if reason in _FREE:
        envelope["usage"]["cost_usd"] = 0.0
    return envelope


def _in_loop(work: Coroutine[Any, Any, T]) -> T:
    import asyncio

    from theoryctl_providers.engine.loop import background

    return asyncio.run_coroutine_threadsafe(work, background().loop).result()


def batched(check: Check, default_model: str | None) -> Check:
    """Return a check of requests for a vendor's batch; `check` is that of any other."""
    from theoryctl_providers.litellm.batches.open import check_batched

    def checked(request: Request) -> None:
        check_batched(model_of(request, default_model), request.operation)
        check(request)

    return checked
