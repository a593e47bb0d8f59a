"""Vendors that LiteLLM alone knows: without an address or a key of their own they get none of OpenAI's."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tests.real.conftest import CANARY, LITELLM_WARNINGS
from tests.real.test_keys import MESSAGES, asked
from tests.real.vendor import Vendor
from theoryctl_providers import ProviderError, run
from theoryctl_providers.contract import Operation

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("foreign_variables", "only_loopback", "short_waits")]


def test_the_key_of_openai_does_not_go_to_a_vendor_without_one(litellm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    with Vendor() as vendor:
        monkeypatch.setenv("NEBIUS_API_BASE", f"{vendor.url}/v1")
        monkeypatch.setenv("GALADRIEL_API_BASE", f"{vendor.url}/v1")
        for model in ("nebius/x", "galadriel/x"):
            with pytest.raises(ProviderError) as caught:
                run({"model": model, "messages": MESSAGES}, provider="litellm", mode="real")
            assert caught.value.code == "ERR_MISSING_SECRET"
        assert vendor.requests == []


@pytest.mark.parametrize("is_moved", [True, False])
@pytest.mark.parametrize(
    ("vendor", "operation"),
    [
        ("ai21", "chat"),
        ("aiohttp_openai", "chat"),
        ("azure_ai", "embeddings"),
        ("custom_openai", "chat"),
        ("litellm_proxy", "chat"),
        ("litellm_proxy", "embeddings"),
        ("xinference", "chat"),
    ],
)
def test_the_key_of_a_vendor_without_an_address_does_not_go_to_openais(
    vendor: str,
    operation: Operation,
    is_moved: bool,
    litellm: Any,
    trap: HTTPServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # on the way to OpenAI itself
    if is_moved:
        monkeypatch.setenv("OPENAI_BASE_URL", trap.url_for("/v1"))
    error = asked(f"{vendor}/m", operation, {f"{vendor.upper()}_API_KEY": CANARY}).envelope["error"]
    assert error is not None
    assert (error["code"], error["retryable"]) == ("ERR_MISSING_SECRET", False)
    assert f"{vendor.upper()}_API_BASE" in (error["hint"] or "")


def test_a_vendor_at_an_address_that_openais_client_has_too_is_asked(
    litellm: Any, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    httpserver.expect_request("/v1/chat/completions").respond_with_json({"error": {"message": "no"}}, status=401)
    for name in ("OPENAI_BASE_URL", "LITELLM_PROXY_API_BASE"):
        monkeypatch.setenv(name, httpserver.url_for("/v1"))
    asked("litellm_proxy/m", "chat", {"LITELLM_PROXY_API_KEY": CANARY})
    assert len(httpserver.log) == 1


@pytest.mark.parametrize("written", ["HTTP://LOCALHOST:{port}/v1/", "http://localhost:{port}/v1/chat/completions"])
@pytest.mark.parametrize("vendor", ["aiohttp_openai", "custom_openai"])
def test_an_address_of_openais_is_known_however_it_is_written(
    vendor: str, written: str, litellm: Any, trap: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", written.format(port=trap.port))
    error = asked(f"{vendor}/m", "chat", {f"{vendor.upper()}_API_KEY": CANARY}).envelope["error"]
    assert error is not None and error["code"] == "ERR_MISSING_SECRET"


#: Vendors in three ways of asking: by aiohttp, by OpenAI's client, and by httpx with a key that OpenAI's code looks up.
BORROWING = ("aiohttp_openai", "custom_openai", "kyma")


@pytest.mark.parametrize("vendor", BORROWING)
def test_the_key_of_openai_does_not_go_to_the_address_of_a_vendor_without_one(
    vendor: str, litellm: Any, trap: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    error = asked(f"{vendor}/m", "chat", {f"{vendor.upper()}_API_BASE": trap.url_for("/v1")}).envelope["error"]
    assert error is not None
    assert (error["code"], error["retryable"]) == ("ERR_MISSING_SECRET", False)
    assert f"{vendor.upper()}_API_KEY" in (error["hint"] or "")
    assert CANARY not in str(error)


@pytest.mark.parametrize("vendor", BORROWING)
def test_a_key_that_is_named_for_a_vendor_goes_to_it_though_openais_is_the_same(
    vendor: str, litellm: Any, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    httpserver.expect_request("/v1/chat/completions").respond_with_json({"error": {"message": "no"}}, status=401)
    name = vendor.upper()
    asked(f"{vendor}/m", "chat", {f"{name}_API_BASE": httpserver.url_for("/v1"), f"{name}_API_KEY": CANARY})
    assert [request.headers["authorization"] for request, _ in httpserver.log] == [f"Bearer {CANARY}"]
