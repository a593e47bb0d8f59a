"""Keys go to the vendor whose they are, at the address that was set for it, and for one call."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from tests.real.accounts import service_account
from tests.real.conftest import ANTHROPIC, CANARY, LITELLM_WARNINGS, OPENAI, Ask
from tests.real.server import Conversation
from tests.real.vendor import Vendor, first
from theoryctl_providers import ProviderError, run, stream
from theoryctl_providers.contract import Operation, ProviderConfig, Request, Result
from theoryctl_providers.engine import session
from theoryctl_providers.litellm.vendor import Vendor as Row
from theoryctl_providers.litellm.vendors import VENDORS

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("foreign_variables", "only_loopback", "short_waits")]

MESSAGES = [{"role": "user", "content": "Say hello."}]

#: Vendors that cannot be called at an address of this machine: one has it in its code, one asks Google for a token.
_ELSEWHERE = ("replicate", "vertex_ai")
CALLED = [vendor for vendor in VENDORS if vendor.name not in _ELSEWHERE]


def environment() -> dict[str, str]:
    """The environment but for what LiteLLM sets when it loads its tokenizers, once."""
    return {name: value for name, value in os.environ.items() if name != "TIKTOKEN_CACHE_DIR"}


def said(server: HTTPServer) -> str:
    """Everything a server was told, in one text."""
    return "\n".join(f"{request.url}\n{request.headers}\n{request.get_data(as_text=True)}" for request, _ in server.log)


def secrets_for(row: Row, address: str) -> dict[str, str]:
    """The first set of what a vendor needs, and an address."""
    names = [name for sets in row.needs for name in sets[0]]
    values = {name: f"{CANARY}-{number}" for number, name in enumerate(names)}
    fixed = {"AWS_REGION": "us-east-1", "AZURE_API_VERSION": "2024-10-21", "VERTEXAI_LOCATION": "us-central1"}
    return {**values, **{name: value for name, value in fixed.items() if name in names}, row.addresses[0]: address}


@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("row", CALLED, ids=lambda row: row.name)
def test_a_redirect_to_another_address_gets_neither_key_nor_prompt(
    row: Row, status: int, litellm: Any, httpserver: HTTPServer, trap: HTTPServer
) -> None:
    there = trap.url_for("/elsewhere")
    moved = Response(status=status, headers={"location": f"{there}?code=1"})
    httpserver.expect_request(re.compile("/.*")).respond_with_response(moved)
    with pytest.raises(ProviderError) as caught:
        run(
            {"model": f"{row.name}/a-model", "messages": MESSAGES},
            provider="litellm",
            mode="real",
            secrets=secrets_for(row, httpserver.url_for("").rstrip("/")),
        )
    assert (caught.value.code, caught.value.retryable) == ("ERR_UNREACHABLE", False)
    assert f"a redirect to {there}, which is not followed" in caught.value.message
    assert row.addresses[0] in (caught.value.hint or "")
    assert len(httpserver.log) == 1


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
def test_a_redirect_within_an_address_is_followed(ask: Ask, model: str) -> None:
    def behave(talk: Conversation) -> None:
        talk.send(307, b"", location=talk.received.path)

    with Vendor(first(1, behave)) as vendor:
        assert ask(vendor.addresses, model).outputs["answer"] == "Hello there!"
    assert len(vendor.requests) == 2


@pytest.mark.parametrize("row", CALLED, ids=lambda row: row.name)
def test_a_vendors_key_goes_to_its_own_address_and_nothing_of_the_environment_with_it(
    row: Row, litellm: Any, httpserver: HTTPServer, trap: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = {name for other in VENDORS for name in other.variables}
    for name in everything - {*row.ambient}:
        address = name.endswith(("_BASE", "_URL", "_ENDPOINT"))
        monkeypatch.setenv(name, trap.url_for("") if address else "foreign-key")
    monkeypatch.setenv("OPENAI_PROJECT", "foreign-key")
    if row.name != "openai":  # whose client they are for
        monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway: foreign-key")
    monkeypatch.setenv("USE_LITELLM_PROXY", "True")
    monkeypatch.setenv("LITELLM_PROXY_API_BASE", trap.url_for(""))
    before = environment()
    with pytest.raises(ProviderError):
        run(
            {"model": f"{row.name}/a-model", "messages": MESSAGES},
            provider="litellm",
            mode="real",
            secrets=secrets_for(row, httpserver.url_for("").rstrip("/")),
        )
    told = said(httpserver)
    assert told
    assert "foreign-key" not in told
    assert (CANARY in told) == any(name.endswith(("_KEY", "_BEDROCK")) for sets in row.needs for name in sets[0])
    assert environment() == before


def key_of(row: Row) -> str:
    """A key that tells whose it is, and whose name is in no error."""
    return f"{CANARY}.{VENDORS.index(row)}."


def configured(elsewhere: str) -> dict[str, str]:
    """Every variable of every vendor: keys, and one address for all."""
    values = {name: key_of(row) for row in VENDORS for name in row.variables}
    values |= {name: elsewhere for row in VENDORS for name in row.addresses}
    regions = {name: "us-east-1" for name in values if "REGION" in name}
    return {**values, **regions, "AZURE_API_VERSION": "2024-10-21", "VERTEXAI_LOCATION": "us-central1"}


def asked(model: str, operation: Operation, secrets: dict[str, str]) -> Result:
    """The result of a short request, which is sent once."""
    words = {"messages": MESSAGES} if operation == "chat" else {"input": ["Say hello."]}
    request = Request(
        config=ProviderConfig(provider="litellm", ref="llm/litellm@1", secrets=secrets),
        inputs={"model": model, **words},
        mode="real",
        operation=operation,
        timeout=10,
        retries=False,
    )
    *_, last = session.ask(request)
    assert isinstance(last, Result)
    return last


@pytest.mark.parametrize("operation", ["chat", "embeddings"])
@pytest.mark.parametrize("prefix", [prefix for row in VENDORS if row.addresses for prefix in row.prefixes])
def test_with_every_vendor_configured_a_key_goes_to_the_address_of_its_own_alone(
    prefix: str, operation: Operation, litellm: Any, httpserver: HTTPServer, trap: HTTPServer
) -> None:
    row = next(row for row in VENDORS if prefix in row.prefixes)
    httpserver.expect_request("/token").respond_with_json({"access_token": key_of(row), "expires_in": 3600})
    httpserver.expect_request(re.compile("/.*")).respond_with_json({"error": {"message": "no"}}, status=401)
    own = httpserver.url_for("").rstrip("/")
    secrets = {**configured(trap.url_for("").rstrip("/")), **dict.fromkeys(row.addresses, own)}
    secrets["VERTEXAI_CREDENTIALS"] = service_account(f"{own}/token", "me")
    last = asked(f"{prefix}/gemini-2.5-flash", operation, secrets)
    assert last.envelope["error"] is not None
    assert set(re.findall(rf"{CANARY}\.\d+\.", said(httpserver))) <= {key_of(row)}
    assert httpserver.log or operation == "embeddings", last.envelope  # which some do not have


@pytest.mark.parametrize("row", [row for row in VENDORS if row.ambient], ids=lambda row: row.name)
def test_what_litellm_would_take_from_the_environment_by_itself_is_refused_before_a_call(
    row: Row, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(row.ambient[0], "foreign-key")
    secrets = secrets_for(row, httpserver.url_for("")) if row.name not in _ELSEWHERE else {}
    secrets |= {name: "x" for sets in row.needs for name in sets[0] if name not in secrets}
    secrets.pop(row.ambient[0], None)
    with pytest.raises(ProviderError) as caught:
        run({"model": f"{row.name}/x", "messages": MESSAGES}, provider="litellm", mode="real", secrets=secrets)
    assert (caught.value.code, row.ambient[0] in caught.value.message) == ("ERR_USAGE", True)
    assert httpserver.log == []


def test_the_account_that_openai_bills_is_the_one_among_the_secrets(
    litellm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORGANIZATION", "another")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway: of-openais-client")
    with Vendor() as vendor:
        secrets = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": vendor.url}
        for account in ({"OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": "proj-1"}, {}):
            run({"messages": MESSAGES}, provider="litellm", mode="real", secrets={**secrets, **account})
        first, second = (request.headers for request in vendor.requests)
    assert (first["openai-organization"], first["openai-project"]) == ("org-1", "proj-1")
    assert not {"openai-organization", "openai-project"} & set(second)
    assert first["x-gateway"] == second["x-gateway"] == "of-openais-client"


def test_two_tenants_keys_never_meet(litellm: Any) -> None:
    """Each calls OpenAI and Anthropic twice in turn, at a server of its own."""

    def call(vendor: Vendor, model: str, key: str) -> None:
        name = {OPENAI: "OPENAI", ANTHROPIC: "ANTHROPIC"}[model]
        secrets = {f"{name}_API_KEY": key, f"{name}_BASE_URL": vendor.url}
        list(stream({"model": model, "messages": MESSAGES}, provider="litellm", mode="real", secrets=secrets))

    before = environment()
    with Vendor() as one, Vendor() as other:
        calls = [(one, "key-of-one"), (other, "key-of-other")]
        for model in (OPENAI, ANTHROPIC) * 2:
            for vendor, key in calls:
                call(vendor, model, key)
    for vendor, key in calls:
        got = {
            request.headers.get("authorization", "") + request.headers.get("x-api-key", "")
            for request in vendor.requests
        }
        assert got == {f"Bearer {key}", key}
        assert len(vendor.requests) == 4
    assert environment() == before


def test_cohere_is_asked_for_embeddings_where_it_makes_them(litellm: Any, httpserver: HTTPServer) -> None:
    answer = {"embeddings": {"float": [[0.5, 0.25]]}, "meta": {"billed_units": {"input_tokens": 2}}}
    httpserver.expect_request("/v2/embed").respond_with_json(answer)
    secrets = {"COHERE_API_KEY": CANARY, "COHERE_API_BASE": httpserver.url_for("").rstrip("/")}
    (vectors,) = asked("cohere/embed-v4.0", "embeddings", secrets).envelope["outputs"]
    assert vectors.get("json") == [[0.5, 0.25]]


def test_a_secret_of_one_call_is_nothing_to_the_next(litellm: Any) -> None:
    with Vendor() as vendor:
        secrets = {"GROQ_API_KEY": CANARY, "GROQ_API_BASE": f"{vendor.url}/v1"}
        inputs = {"model": "groq/llama-3.1-8b-instant", "messages": MESSAGES}
        assert run(inputs, provider="litellm", mode="real", secrets=secrets)["error"] is None
        with pytest.raises(ProviderError) as caught:
            run(inputs, provider="litellm", mode="real", secrets={})
        assert caught.value.code == "ERR_MISSING_SECRET"
        assert len(vendor.requests) == 1
    assert "GROQ_API_KEY" not in os.environ
