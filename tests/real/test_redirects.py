"""Redirects: a prompt and a key stay at the address that was set for them, and go there a few times at most."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from tests.real.conftest import ANTHROPIC, CANARY, LITELLM_WARNINGS, OPENAI, Ask, Call
from tests.real.server import Conversation
from tests.real.vendor import Vendor
from theoryctl_providers.contract import ProviderConfig, Request, Result
from theoryctl_providers.engine import session

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("foreign_variables", "only_loopback", "short_waits")]

ANSWER = {"generated_text": "believed", "answer": "believed", "choices": [{"message": {"content": "believed"}}]}


def redirecting(server: HTTPServer, location: str, status: int = 307) -> str:
    """The address of a server that redirects each request."""
    moved = Response(status=status, headers={"location": location})
    server.expect_request(re.compile("/.*")).respond_with_response(moved)
    return server.url_for("").rstrip("/")


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("vendor", "end"), [("nlp_cloud", "/"), ("maritalk", ""), ("oobabooga", "")])
def test_a_vendor_that_is_called_in_a_thread_leads_a_prompt_nowhere_else(
    ask: Ask, httpserver: HTTPServer, vendor: str, end: str, streamed: bool
) -> None:
    with HTTPServer() as other:
        other.expect_request(re.compile("/.*")).respond_with_json(ANSWER)
        address = redirecting(httpserver, other.url_for("/elsewhere")) + end
        secrets = {f"{vendor.upper()}_API_KEY": CANARY, f"{vendor.upper()}_API_BASE": address}
        error = ask(secrets, f"{vendor}/m", streamed=streamed).error
        assert other.log == []
        assert f"a redirect to {other.url_for('/elsewhere')}, which is not followed" in error["message"]
    assert (error["code"], error["retryable"], len(httpserver.log)) == ("ERR_UNREACHABLE", False, 1)


def test_a_vendor_that_is_called_in_a_thread_gets_no_header_of_the_environment(
    ask: Ask, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "User-Agent: foreign")
    httpserver.expect_request(re.compile("/.*")).respond_with_json(ANSWER)
    secrets = {"OOBABOOGA_API_KEY": CANARY, "OOBABOOGA_API_BASE": httpserver.url_for("").rstrip("/")}
    ask(secrets, "oobabooga/m", streamed=False)
    ((request, _),) = httpserver.log
    assert "user-agent" not in request.headers


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
def test_a_redirect_to_itself_is_told_after_a_few(ask: Ask, model: str) -> None:
    def behave(talk: Conversation) -> None:
        talk.send(307, b"", location=talk.received.path)

    with Vendor(behave) as vendor:
        error = ask(vendor.addresses, model, streamed=False).error
        assert (error["code"], error["retryable"], len(vendor.requests)) == ("ERR_UNREACHABLE", False, 6)
        assert error["message"].endswith(f"{vendor.requests[0].path} after 5 others, which is not followed")


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("http://[::1", "an address that cannot be read"),
        ("http://127.0.0.1:99999999/", "http://127.0.0.1:99999999/"),
        ("http://exa\tmple/", "http://example/"),
        ("http://\xff\xfe/", "http://%ff%fe/"),
        ("http://127.0.0.1:1/\xff", "http://127.0.0.1:1/%FF"),
    ],
)
def test_a_redirect_to_what_is_no_address_is_told_as_one(ask: Ask, location: str, shown: str) -> None:
    with Vendor(lambda talk: talk.send(307, b"", location=location)) as vendor:
        error = ask(vendor.addresses, streamed=False).error
    assert f"a redirect to {shown}, which is not followed" in error["message"]
    assert (error["code"], error["retryable"], len(vendor.requests)) == ("ERR_UNREACHABLE", False, 1)


def counted(address: str) -> Call:
    """Ask Anthropic at an address to count the tokens of a prompt."""
    secrets = {"ANTHROPIC_API_BASE": address, "ANTHROPIC_API_KEY": CANARY}
    asked = Request(
        config=ProviderConfig(provider="litellm", ref="llm/litellm@1", secrets=secrets),
        inputs={"model": ANTHROPIC, "messages": [{"role": "user", "content": "Say hello."}]},
        mode="real",
        operation="count_tokens",
        timeout=10,
    )
    events = list(session.ask(asked))
    assert isinstance(events[-1], Result)
    return Call(events, 0)


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_of_a_count_is_told_as_one(litellm: Any, httpserver: HTTPServer, status: int) -> None:
    error = counted(redirecting(httpserver, "http://127.0.0.1:1/elsewhere", status)).error
    assert f"answered {status} for {ANTHROPIC}: a redirect to http://127.0.0.1:1/elsewhere" in error["message"]
    assert (error["code"], error["hint"]) == (
        "ERR_UNREACHABLE",
        "set ANTHROPIC_BASE_URL to the address that Anthropic has now",
    )
    assert len(httpserver.log) == 1


@pytest.mark.parametrize("status", [200, 201])
def test_a_count_that_cannot_be_read_is_asked_for_once(litellm: Any, httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_request(re.compile("/.*")).respond_with_data(b"Hello", status, content_type="application/json")
    assert counted(httpserver.url_for("").rstrip("/")).error["code"] == "ERR_BAD_RESPONSE"
    assert len(httpserver.log) == 1
