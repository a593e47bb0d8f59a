"""Requests that LiteLLM makes beside the one for an answer, and by other libraries: for tokens, mostly."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import httpx
import httpx2
import pytest
import requests
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.real.accounts import service_account
from tests.real.conftest import CANARY, LITELLM_WARNINGS, Ask
from tests.real.prediction import Predictions, Proxy
from tests.real.test_keys import CALLED, asked, said, secrets_for
from tests.real.test_redirects import redirecting
from theoryctl_providers.contract import Operation
from theoryctl_providers.engine.loop import background
from theoryctl_providers.litellm.transport import Heard

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("foreign_variables", "only_loopback", "short_waits")]

CHOICE = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
ANSWER = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [CHOICE]}
TOKEN = {"access_token": "token-of-the-call", "token_type": "Bearer", "expires_in": 1}  # kept by nobody


class Asking(NamedTuple):
    """A model, its secrets, and the variables that LiteLLM reads by itself; all addresses are below `{url}`."""

    model: str
    secrets: dict[str, str]
    environment: dict[str, str] = {}  # noqa: RUF012  # nobody writes into it

    def at(self, url: str) -> tuple[dict[str, str], dict[str, str]]:
        return _at(url, self.secrets), _at(url, self.environment)


def _at(url: str, values: dict[str, str]) -> dict[str, str]:
    return {name: value.replace("{url}", url) for name, value in values.items()}


DATABRICKS = Asking(
    "databricks/m",
    {"DATABRICKS_API_BASE": "{url}/serving-endpoints"},
    {
        "DATABRICKS_API_BASE": "{url}/serving-endpoints",
        "DATABRICKS_CLIENT_ID": "id",
        "DATABRICKS_CLIENT_SECRET": CANARY,
    },
)
AIOHTTP = Asking(
    "aiohttp_openai/m",
    {"AIOHTTP_OPENAI_API_KEY": CANARY, "AIOHTTP_OPENAI_API_BASE": "{url}/v1/chat/completions"},
)
ASKING = [
    DATABRICKS,
    AIOHTTP,
    Asking(
        "vertex_ai/gemini-2.5-flash",
        {
            "VERTEXAI_PROJECT": "p",
            "VERTEXAI_LOCATION": "us-central1",
            "VERTEXAI_API_BASE": "http://127.0.0.1:9",
            "VERTEXAI_CREDENTIALS": service_account("{url}/token", CANARY),
        },
    ),
    Asking(
        "watsonx/ibm/granite",
        {"WATSONX_API_KEY": CANARY, "WATSONX_API_BASE": "http://127.0.0.1:9"},
        {"WATSONX_IAM_URL": "{url}/identity/token", "WATSONX_PROJECT_ID": "p"},
    ),
    Asking(
        "sap/gpt-4o",
        {},
        {
            "AICORE_AUTH_URL": "{url}/oauth/token",
            "AICORE_BASE_URL": "http://127.0.0.1:9",
            "AICORE_CLIENT_ID": "id",
            "AICORE_CLIENT_SECRET": CANARY,
        },
    ),
    Asking(
        "azure/m",  # through a gateway, for which LiteLLM makes another client
        {
            "AZURE_API_KEY": CANARY,
            "AZURE_API_BASE": "{url}/gateway.ai.cloudflare.com/v1/x/y/azure-openai/z",
            "AZURE_API_VERSION": "2024-10-21",
        },
    ),
]

AskAt = Callable[[Asking, str], Any]


@pytest.fixture
def ask_at(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> AskAt:
    def ask_at(asking: Asking, url: str) -> Any:
        secrets, environment = asking.at(url)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return ask(secrets, asking.model, streamed=False)

    return ask_at


@pytest.fixture(scope="module")
def other_server() -> Iterator[HTTPServer]:
    with HTTPServer() as server:
        server.expect_request(re.compile("/.*")).respond_with_json({**TOKEN, **ANSWER})
        yield server


@pytest.fixture
def other(other_server: HTTPServer) -> HTTPServer:
    """A server at an address that nobody set; it gives tokens and answers to whoever comes."""
    other_server.clear_log()
    return other_server


@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("asking", ASKING, ids=lambda asking: asking.model.partition("/")[0])
def test_a_redirect_takes_nothing_to_another_address_whatever_library_asks(
    ask_at: AskAt, httpserver: HTTPServer, other: HTTPServer, asking: Asking, status: int
) -> None:
    call = ask_at(asking, redirecting(httpserver, other.url_for("/elsewhere"), status))
    assert other.log == []
    assert len(httpserver.log) == 1
    assert httpserver.url_for("").rstrip("/") in call.error["message"]
    assert f"a redirect to {other.url_for('/elsewhere')}, which is not followed" in call.error["message"]
    assert (call.error["code"], call.error["retryable"]) == ("ERR_UNREACHABLE", False)
    assert "VERTEXAI_API_BASE" not in (call.error["hint"] or ""), "whose address is not the one that was asked"


@pytest.mark.parametrize("asking", [DATABRICKS, AIOHTTP], ids=lambda asking: asking.model.partition("/")[0])
def test_a_redirect_within_an_address_is_followed_whatever_library_asks(
    ask_at: AskAt, httpserver: HTTPServer, asking: Asking
) -> None:
    def moved(request: Request) -> Response:
        return Response(status=307, headers={"location": f"{request.path}/moved"})

    httpserver.expect_ordered_request(re.compile("/.*")).respond_with_handler(moved)
    httpserver.expect_ordered_request(re.compile("/.*/moved")).respond_with_json({**TOKEN, **ANSWER})
    httpserver.expect_request(re.compile("/.*")).respond_with_json(ANSWER)
    assert ask_at(asking, httpserver.url_for("").rstrip("/")).outputs["answer"] == "Hi"
    assert [request.path.endswith("/moved") for request, _ in httpserver.log][:2] == [False, True]
    (first, _), (second, _), *_ = httpserver.log
    assert first.get_data() == second.get_data() != b""


def test_a_session_of_aiohttps_is_led_around_a_few_times_at_most(ask_at: AskAt, httpserver: HTTPServer) -> None:
    error = ask_at(AIOHTTP, redirecting(httpserver, "/v1/chat/completions")).error
    assert "after 5 others, which is not followed" in error["message"]
    assert len(httpserver.log) == 6


def test_the_hub_of_hugging_face_leads_a_key_nowhere_else(
    ask: Ask, other: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from litellm.llms.custom_httpx import http_handler

    hub = Predictions(refusal=(307, {}), location=other.url_for("/elsewhere"))
    with Proxy(hub, tmp_path, "huggingface.co") as proxy:
        for name, value in {**proxy.variables, "HUGGINGFACE_API_KEY": CANARY}.items():
            monkeypatch.setenv(name, value)
        # Made at loading, without the proxy.
        monkeypatch.setattr("litellm.module_level_client", http_handler.HTTPHandler())
        error = ask({"HUGGINGFACE_API_KEY": CANARY}, "huggingface/together/a/model", streamed=False).error
    assert error["message"].startswith("huggingface (https://huggingface.co) answered 307")
    assert (error["code"], error["retryable"]) == ("ERR_UNREACHABLE", False)
    asked = {path: headers.get("authorization") for _, path, headers, _ in hub.received}
    assert asked.pop("/api/models/a/model?expand=inferenceProviderMapping") == f"Bearer {CANARY}"
    # It asks anybody's way for a file of the model's, too, and that may be elsewhere.
    assert set(asked.values()) <= {None}
    assert CANARY not in said(other)


@pytest.fixture
def unheard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that clients of httpx2's were about to ask, which nobody hears."""
    found: list[str] = []

    def send(client: Any, request: Any, **_: Any) -> Any:
        found.append(str(request.url))
        raise httpx2.ConnectError("not in this test")

    for client in (httpx2.Client, httpx2.AsyncClient):
        monkeypatch.setattr(client, "send", send)
    return found


@pytest.mark.parametrize("operation", ["chat", "embeddings"])
@pytest.mark.parametrize("prefix", [*(row.name for row in CALLED), "custom_openai", "litellm_proxy"])
def test_no_call_goes_through_a_client_that_is_not_heard(
    prefix: str, operation: Operation, litellm: Any, httpserver: HTTPServer, unheard: list[str]
) -> None:
    httpserver.expect_request(re.compile("/.*")).respond_with_json({"error": {"message": "no"}}, status=401)
    own = httpserver.url_for("").rstrip("/")
    rows = [row for row in CALLED if row.name == prefix]
    name = prefix.upper()
    secrets = secrets_for(rows[0], own) if rows else {f"{name}_API_KEY": CANARY, f"{name}_API_BASE": own}
    assert asked(f"{prefix}/a-model", operation, secrets).envelope["error"] is not None
    assert unheard == []


@pytest.mark.parametrize(("secrets", "code"), [({"OPENAI_API_KEY": CANARY}, "UNREACHABLE"), ({}, "MISSING_SECRET")])
def test_an_identity_of_the_environment_makes_no_token_for_a_call(
    secrets: dict[str, str],
    code: str,
    litellm: Any,
    unheard: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "token").write_text(CANARY)
    monkeypatch.setenv("OPENAI_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    for name in ("OPENAI_IDENTITY_PROVIDER_ID", "OPENAI_SERVICE_ACCOUNT_ID"):
        monkeypatch.setenv(name, "an-id")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # on the way to OpenAI itself
    error = asked("openai/a-model", "chat", secrets).envelope["error"]
    assert error is not None and error["code"] == f"ERR_{code}"
    assert unheard == []


def test_others_in_this_process_follow_redirects_as_ever(
    litellm: Any, ask_at: AskAt, httpserver: HTTPServer, other: HTTPServer
) -> None:
    async def by_aiohttp(url: str) -> Any:
        async with aiohttp.ClientSession() as session, session.post(url, json={}) as response:
            return await response.json()

    url = redirecting(httpserver, other.url_for("/elsewhere"))
    assert ask_at(AIOHTTP, url).error["code"] == "ERR_UNREACHABLE"
    there = {**TOKEN, **ANSWER}
    assert httpx.post(url, json={}, follow_redirects=True).json() == there
    assert requests.post(url, json={}, timeout=5).json() == there
    assert asyncio.run_coroutine_threadsafe(by_aiohttp(url), background().loop).result(5) == there
    assert len(other.log) == 3


@pytest.mark.parametrize("post", [httpx.post, requests.post], ids=["httpx", "requests"])
def test_a_call_that_goes_on_after_a_redirect_does_not_end_in_it(
    litellm: Any, httpserver: HTTPServer, other: HTTPServer, post: Callable[..., Any]
) -> None:
    heard, found = Heard({}), []

    async def call() -> None:
        for url in (redirecting(httpserver, other.url_for("/elsewhere")), other.url_for("/")):
            post(url, json={}, timeout=5)
            found.append(heard.redirect is not None)

    asyncio.run(heard.during(call()))
    assert found == [True, False]
    assert len(other.log) == 1
