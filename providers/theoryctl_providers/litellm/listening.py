"""The HTTP libraries through which a call of LiteLLM's reaches the network, each heard while a call of ours runs.

LiteLLM 1.110.2 asks most vendors, and the addresses of tokens for Watsonx, SAP, GitHub Copilot, GigaChat, Azure with
OIDC, through clients of httpx's that it keeps. Beside them (files below litellm/llms):

- httpx, clients for one request that follow no redirect: huggingface/common_utils.py asks huggingface.co which server
  has a model, with HUGGINGFACE_API_KEY of the environment; sap/embed/transformation.py asks for deployments, with a
  token.
- httpx, clients that follow redirects, with the prompt: azure/common_utils.py, for a gateway of Cloudflare's.
- requests, which follows redirects without `Authorization` and with the body: databricks/common_utils.py asks for a
  token with DATABRICKS_CLIENT_SECRET; vertex_ai/vertex_llm_base.py and gdc/chat/transformation.py have google-auth ask
  for one, with an assertion in the body that the account's key signed; Databricks' SDK asks for its (oauth.py).
- aiohttp, which does the same: custom_httpx/aiohttp_handler.py, for `aiohttp_openai/`, sends key and prompt.
- Libraries that follow no redirect: botocore, which asks for credentials of Bedrock and SageMaker (httpsession.py);
  azure-core, for Azure's SDK, which tells requests so (pipeline/transport/_requests_basic.py).

Two ways are not heard, and no call of ours takes them. OpenAI's SDK makes clients of httpx2's where it is given none:
for the token of a workload identity, which LiteLLM wants where a call to OpenAI has no key
(openai/workload_identity.py). LiteLLM's code in Rust sends neither chats nor embeddings, whatever LITELLM_RUST says
(rust_bridge/catalog.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import httpx

from theoryctl_providers.litellm.answers import of_failure
from theoryctl_providers.litellm.redirects import redirect
from theoryctl_providers.litellm.transport import is_heard, overhear, refuse_misdirected, report, turned_away


def listen() -> None:
    """Hear what comes for calls of ours, whichever library asks. Called once, at loading.

    Calls that others make, of the same libraries in this process, stay as they are.
    """
    import aiohttp
    from requests.sessions import SessionRedirectMixin

    for client in (httpx.Client, httpx.AsyncClient):
        client.send = _reporting(client.send)
    SessionRedirectMixin.get_redirect_target = _staying(SessionRedirectMixin.get_redirect_target)
    # `get`, `post` and the like all come to it.
    aiohttp.ClientSession._request = _asking_each(aiohttp.ClientSession._request)  # type: ignore[method-assign]


def _reporting(send: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(send)
    def sent(client: Any, *arguments: Any, **options: Any) -> Any:
        if is_heard():
            report(client)
        return send(client, *arguments, **options)

    return sent


def _staying(target_of: Callable[..., Any]) -> Callable[..., Any]:
    """The method with which requests looks into each response for a redirect, which finds none that leads away."""

    @wraps(target_of)
    def target(session: Any, response: Any) -> Any:
        location = target_of(session, response)
        if not is_heard():
            return location
        asked, found = response.request, None
        if location is not None:
            found = redirect(asked.method, response.url, asked.headers, response.status_code, location)
        return None if turned_away(found) else location

    return target


def _asking_each(request: Callable[..., Any]) -> Callable[..., Any]:
    """The method with which aiohttp sends a request; it follows redirects itself, and has no place to refuse one."""

    @wraps(request)
    async def asked(session: Any, method: str, url: Any, **options: Any) -> Any:
        refuse_misdirected(str(url), options.get("headers") or {})
        if not is_heard() or not options.get("allow_redirects", True):
            return await request(session, method, url, **options)
        options["allow_redirects"], before = False, 0
        while True:
            response = await request(session, method, url, **options)
            if turned_away(found := _redirect_of(response, before)) or found is None:
                await _refuse_failure(response)
                return response
            response.release()
            options["params"] = None  # the new address is whole
            url, before = str(found.request.url.join(found.headers["location"])), before + 1
            refuse_misdirected(url, options.get("headers") or {})

    return asked


async def _refuse_failure(response: Any) -> None:
    """Raise httpx.HTTPStatusError for a failure: of aiohttp's own error LiteLLM keeps neither status nor body."""
    if response.status < 400:
        return
    content = b"".join([chunk async for chunk in of_failure(chunk async for chunk in response.content.iter_any())])
    response.close()
    headers = [(name, value) for name, value in response.raw_headers if name.lower() != b"content-encoding"]
    request = httpx.Request(response.request_info.method, str(response.request_info.url))
    failure = httpx.Response(response.status, headers=headers, content=content, request=request)
    overhear(failure)
    failure.raise_for_status()


def _redirect_of(response: Any, before: int) -> httpx.Response | None:
    asked, location = response.request_info, response.headers.get("location")
    if location is None or not 300 <= response.status < 400:
        return None
    found = redirect(asked.method, str(asked.url), dict(asked.headers), response.status, location, before)
    return found if found.has_redirect_location else None
