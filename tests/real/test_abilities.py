"""All that each vendor can do, said in its own words by a stand-in, and read right. docs/vendors.md is made of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pytest_httpserver import HTTPServer
from werkzeug import Request

from tests.real.bedrock import Bedrock
from tests.real.conftest import CANARY, LITELLM_WARNINGS, Ask, Call
from tests.real.said import RECEIVED, SENT, OpenAI, Said
from tests.real.standin import asked_for, dialect_of, is_streamed, respond
from tests.real.test_keys import secrets_for
from tests.records import Shows
from theoryctl_providers.litellm.vendor import Vendor as Row
from theoryctl_providers.litellm.vendors import VENDORS

pytestmark = LITELLM_WARNINGS

MODELS = {
    "anthropic": "claude-sonnet-4-5",
    "azure": "my-deployment",
    "bedrock": "anthropic.claude-3-5-sonnet-20240620-v1:0",
    "cohere": "command-a-03-2025",
    "deepseek": "deepseek-chat",
    "fireworks_ai": "accounts/fireworks/models/llama-v3p3-70b-instruct",
    "gemini": "gemini-2.5-flash",
    "groq": "openai/gpt-oss-20b",
    "mistral": "mistral-large-latest",
    "openai": "gpt-4o-mini",
    "openrouter": "openai/gpt-4o-mini",
    "perplexity": "sonar",
    "vertex_ai": "gemini-2.5-flash",
    "together_ai": "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "xai": "grok-3",
}
#: Servers of one's own, which are given no key here.
_KEYLESS = ("hosted_vllm", "lm_studio")
#: Replicate has a stand-in of its own.
ROWS = [row for row in VENDORS if row.name != "replicate"]

#: The place where a stand-in of Google's gives access tokens.
TOKENS = "/token"

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "The weather.", "parameters": CITY}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "schema": CITY, "strict": True}}
TURIN, OSLO = ("get_weather", {"city": "Turin"}), ("get_weather", {"city": "Oslo"})

AskVendor = Callable[..., tuple[Call, Request]]


def rows(*left_out: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", [row for row in ROWS if row.name not in left_out], ids=lambda row: row.name)


def only(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", [row for row in ROWS if row.name in names], ids=lambda row: row.name)


@pytest.fixture
def asked(ask: Ask, httpserver: HTTPServer) -> AskVendor:
    """Ask a vendor's stand-in, which says `said`, or fails with `error`; the call, and the request as it came."""

    def asked(row: Row, said: Said | None = None, *, streamed: bool = False, **inputs: Any) -> tuple[Call, Request]:
        dialect = dialect_of(row.name)
        httpserver.expect_request(re.compile(f"(?!{TOKENS}).*")).respond_with_handler(
            lambda request: respond(dialect, said, request)
        )
        model = f"{row.name}/{MODELS.get(row.name, 'a-model')}"
        address = httpserver.url_for("").rstrip("/")
        secrets = secrets_for(row, address)
        if row.name == "ollama":
            secrets["OLLAMA_API_KEY"] = CANARY
        if row.name == "vertex_ai":
            secrets["VERTEXAI_CREDENTIALS"] = service_account(f"{address}{TOKENS}")
            httpserver.expect_request(TOKENS).respond_with_json({"access_token": CANARY, "expires_in": 3600})
        call = ask(secrets, model, streamed=streamed, **inputs)
        (request,) = (request for request, _ in httpserver.log if request.path != TOKENS)
        assert any(CANARY in request.headers.get(name, "") for name in dialect.key) or row.name in _KEYLESS
        return call, request

    return asked


@cache
def service_account(tokens: str) -> str:
    """Return a service account's key (cloud.google.com/iam/docs/keys-create-delete) that gets tokens at an address."""
    private = rsa.generate_private_key(65537, 2048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    names = {"client_email": "me@my-project.iam.gserviceaccount.com", "client_id": "1", "private_key_id": "1"}
    return json.dumps({"type": "service_account", "private_key": pem, "token_uri": tokens, **names})


def called(call: Call) -> list[tuple[str, Any]]:
    """The tools that an answer calls."""
    return [(one["name"], one["arguments"]) for one in call.outputs["tool_calls"]]


both = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@rows()
def test_text_comes_as_it_was_said(row: Row, asked: AskVendor, shows: Shows) -> None:
    call, request = asked(row, Said(text=["Hello ", "there!"]))
    assert (call.outputs["answer"], is_streamed(request)) == ("Hello there!", False)
    shows(row.name, "text")


@rows()
def test_a_stream_comes_in_the_vendors_pieces(row: Row, asked: AskVendor, shows: Shows) -> None:
    call, request = asked(row, Said(text=["Hello ", "there!"]), streamed=True)
    assert is_streamed(request)
    assert [delta.text for delta in call.deltas if delta.text] == ["Hello ", "there!"]
    assert (call.outputs["answer"], call.outputs["finish_reason"]) == ("Hello there!", "stop")
    shows(row.name, "stream")


@both
@rows("perplexity")
def test_a_tool_is_called(row: Row, streamed: bool, asked: AskVendor, shows: Shows) -> None:
    call, request = asked(row, Said(calls=[TURIN]), streamed=streamed, tools=[TOOL])
    assert "get_weather" in json.dumps(asked_for(request))
    assert (called(call), call.outputs["finish_reason"]) == ([TURIN], "tool_calls")
    shows(row.name, "tools")


@both
@rows("perplexity")
def test_two_tools_are_called_at_once(row: Row, streamed: bool, asked: AskVendor, shows: Shows) -> None:
    call, _ = asked(row, Said(calls=[TURIN, OSLO]), streamed=streamed, tools=[TOOL])
    assert called(call) == [TURIN, OSLO]
    assert len({one["id"] for one in call.outputs["tool_calls"]}) == 2
    shows(row.name, "parallel tools")


@both
@rows("cohere")  # LiteLLM does not pass the shape on to it
def test_an_answer_has_the_shape_that_was_asked_for(row: Row, streamed: bool, asked: AskVendor, shows: Shows) -> None:
    call, request = asked(row, Said(text=['{"city": ', '"Turin"}']), streamed=streamed, response_format=FORMAT)
    assert '"city"' in json.dumps(asked_for(request))
    assert call.outputs["answer"] == {"city": "Turin"}
    shows(row.name, "structured")


@both
@only("openai", "azure", "openrouter", "anthropic", "gemini", "vertex_ai")
def test_a_refusal_is_no_answer(row: Row, streamed: bool, asked: AskVendor, shows: Shows) -> None:
    call, _ = asked(row, Said(refusal="I will not."), streamed=streamed)
    if isinstance(dialect_of(row.name), OpenAI):
        assert (call.outputs["refusal"], call.outputs.get("answer")) == ("I will not.", None)
    else:  # a withheld answer has no words
        assert call.error["code"] == "ERR_CONTENT_POLICY"
    shows(row.name, "refusal")


@both
@rows("openai", "azure", "perplexity")
def test_reasoning_comes_apart_from_the_answer(row: Row, streamed: bool, asked: AskVendor, shows: Shows) -> None:
    call, _ = asked(row, Said(text=["Hello ", "there!"], reasoning="A greeting."), streamed=streamed)
    assert (call.outputs["reasoning"], call.outputs["answer"]) == ("A greeting.", "Hello there!")
    shows(row.name, "reasoning")


@both
@rows()
def test_a_refused_key_is_named_and_not_shown(
    row: Row, streamed: bool, asked: AskVendor, httpserver: HTTPServer, shows: Shows
) -> None:
    call, _ = asked(row, None, streamed=streamed)
    assert call.error["code"] == "ERR_AUTH"
    named = set(re.findall("[A-Z][A-Z_]{4,}", call.error["hint"] or ""))
    assert named and named <= set(row.variables)
    assert f"({httpserver.url_for('').rstrip('/')}" in call.error["message"]
    assert CANARY not in str(call.events)
    shows(row.name, "error")


@both
@rows()
def test_usage_is_the_vendors(row: Row, streamed: bool, asked: AskVendor, shows: Shows) -> None:
    call, _ = asked(row, Said(text=["Hello ", "there!"]), streamed=streamed)
    usage = call.envelope["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (SENT, RECEIVED)
    shows(row.name, "usage")


@only("bedrock")
def test_usage_that_was_not_said_in_a_binary_stream_is_unknown(
    row: Row, asked: AskVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    streamed = Bedrock.streamed
    monkeypatch.setattr(Bedrock, "streamed", lambda self, said: list(streamed(self, said))[:-1])
    call, _ = asked(row, Said(text=["Hello ", "there!"]), streamed=True)
    assert call.outputs["answer"] == "Hello there!"
    assert set(call.envelope["usage"].values()) == {None}
