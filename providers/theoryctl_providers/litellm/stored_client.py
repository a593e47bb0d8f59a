"""Clients for LiteLLM that ask nobody: they take a request, and give the answer that is there already."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx

from theoryctl_providers.contract import ProviderError
from theoryctl_providers.litellm.stored import Exchange, exchange_here

#: Answers that LiteLLM can read, for a request that is only taken: a failure would cost twice the time.
_CHOICE = {"index": 0, "message": {"role": "assistant", "content": "-"}, "finish_reason": "stop"}
_TAKEN: Mapping[str, Any] = {
    "completions": {"id": "-", "object": "chat.completion", "created": 0, "model": "-", "choices": [_CHOICE]},
    "embeddings": {"object": "list", "model": "-", "data": [{"object": "embedding", "index": 0, "embedding": [0.0]}]},
    "messages": {
        "id": "-",
        "type": "message",
        "role": "assistant",
        "model": "-",
        "content": [{"type": "text", "text": "-"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 0, "output_tokens": 0},
    },
}


class _Transport(httpx.AsyncBaseTransport):  # type: ignore[misc]  # httpx is not there where this is checked
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        exchange = self._exchange
        exchange.sent = await request.aread()
        exchange.betas = request.headers.get("anthropic-beta", "")
        body, status = exchange.body, exchange.status
        if body is None:
            body, status = json.dumps(_TAKEN[request.url.path.rpartition("/")[2]]).encode(), 200
        headers = {"content-type": "application/json", **exchange.headers}
        return httpx.Response(status, headers=headers, content=body, request=request)


def stored_client(vendor: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return LiteLLM's argument for the client of a call of a batch; nothing for any other call.

    `arguments` are those of `vendor_arguments`. Raises ProviderError `ERR_UNSUPPORTED_PARAM` for a vendor whose
    client cannot be passed: its call must not reach the network.
    """
    exchange = exchange_here()
    if exchange is None:
        return {}
    if vendor not in exchange.clients:
        exchange.clients[vendor] = _client(vendor, exchange, arguments)
    return {"client": exchange.clients[vendor]}


def _client(vendor: str, exchange: Exchange, arguments: Mapping[str, Any]) -> Any:
    transport = _Transport(exchange)
    if vendor == "anthropic":
        from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

        return AsyncHTTPHandler(transport=transport)
    if vendor != "openai":
        raise ProviderError("ERR_UNSUPPORTED_PARAM", f"{vendor} has no batches here", hint="ask it without a batch")
    from openai import AsyncOpenAI

    http = httpx.AsyncClient(transport=transport)
    return AsyncOpenAI(api_key=arguments["api_key"], base_url=arguments["api_base"], max_retries=0, http_client=http)
