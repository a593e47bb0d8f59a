"""Answers that the vendor has given and nobody can read: they are paid for, so that none is asked for twice."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tests.real.bedrock import Bedrock
from tests.real.conftest import CANARY, LITELLM_WARNINGS, OPENAI, Ask, Asked, Call
from tests.real.reading import choice, chunks, completion
from theoryctl_providers.contract import ProviderConfig, Request
from theoryctl_providers.engine import session

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("foreign_variables", "only_loopback", "short_waits")]

DEEP = "[" * 300 + "]" * 300
CALLED = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def embedded(server: HTTPServer) -> Call:
    """Ask OpenAI, which is the server, for an embedding."""
    secrets = {"OPENAI_BASE_URL": server.url_for("/v1"), "OPENAI_API_KEY": CANARY}
    asked = Request(
        config=ProviderConfig(provider="litellm", ref="llm/litellm@1", secrets=secrets),
        inputs={"model": "openai/text-embedding-3-small", "input": "x"},
        mode="real",
        operation="embeddings",
        timeout=10,
    )
    return Call(list(session.ask(asked)), 0)


def vectors(text: str) -> bytes:
    """An answer with one embedding, whose JSON is this."""
    item = {"object": "embedding", "index": 0, "embedding": "@"}
    answer = {"object": "list", "data": [item], "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    return json.dumps(answer).replace('"@"', text).encode()


@pytest.mark.parametrize(
    "body",
    [
        *(b"[" * 5000, vectors("[NaN]"), vectors("[1e999]"), vectors('["a"]'), vectors("[[1.0]]"), vectors("[]")),
        vectors('[1.0]}, {"object": "embedding", "index": 1, "embedding": [1.0]'),
    ],
    ids=["deep", "nan", "infinite", "text", "nested", "empty", "two for one text"],
)
def test_embeddings_that_are_no_numbers_are_asked_for_once(litellm: Any, httpserver: HTTPServer, body: bytes) -> None:
    httpserver.expect_request(re.compile("/.*")).respond_with_data(body, content_type="application/json")
    error = embedded(httpserver).error
    assert (error["code"], len(httpserver.log)) == ("ERR_BAD_RESPONSE", 1), error["message"]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "message",
    [
        {"content": "Hi", "annotations": [{"type": "x", "v": "@"}]},
        {"content": "Hi", "thinking_blocks": [{"type": "thinking", "thinking": "x", "signature": "s", "v": "@"}]},
        {"content": "Hi", "reasoning_details": [{"type": "x", "v": "@"}]},
        {"tool_calls": [{**CALLED, "extra_content": {"v": "@"}}]},
    ],
    ids=["annotations", "thinking_blocks", "reasoning_details", "extra_content"],
)
def test_a_value_nested_too_deep_is_the_vendors_fault(asked: Asked, message: dict[str, Any], streamed: bool) -> None:
    documents = chunks(message) if streamed else [completion(choice(message))]
    texts = [json.dumps(document).replace('"@"', DEEP) for document in documents]
    body = "".join(f"data: {text}\n\n" for text in texts) if streamed else texts[0]
    error = asked(lambda talk: talk.send(200, body.encode()), OPENAI, streamed=streamed).error
    assert error["code"] == "ERR_BAD_RESPONSE"
    assert "nested deeper than" in error["message"]


def test_an_answer_under_a_header_field_that_is_not_ascii_is_read(asked: Asked) -> None:
    body = json.dumps(completion(choice({"content": "Hi"}))).encode()
    call = asked(lambda talk: talk.send(200, body, x_gateway="Z\xfcrich"), OPENAI, streamed=False)
    assert call.outputs["answer"] == "Hi"


def test_arguments_nested_too_deep_are_no_json(asked: Asked) -> None:
    function = {"name": "f", "arguments": "[" * 200_000}
    body = json.dumps(completion(choice({"tool_calls": [{**CALLED, "function": function}]}))).encode()
    error = asked(lambda talk: talk.send(200, body), OPENAI, streamed=False).error
    assert (error["code"], "calls f with arguments that are no JSON" in error["message"]) == ("ERR_BAD_RESPONSE", True)


def bedrock_at(server: HTTPServer) -> dict[str, str]:
    """The secrets of a call of Bedrock, which is the server."""
    address = server.url_for("").rstrip("/")
    return {"AWS_BEARER_TOKEN_BEDROCK": CANARY, "AWS_REGION": "us-east-1", "AWS_BEDROCK_RUNTIME_ENDPOINT": address}


@pytest.mark.parametrize(("status", "body"), [(200, b"Hello"), (200, b""), (201, b"Hello"), (204, b"")])
@pytest.mark.parametrize("streamed", [False, True])
def test_what_is_no_answer_of_bedrocks_is_asked_for_once(
    ask: Ask, httpserver: HTTPServer, status: int, body: bytes, streamed: bool
) -> None:
    httpserver.expect_request(re.compile("/.*")).respond_with_data(body, status, content_type="application/json")
    error = ask(bedrock_at(httpserver), "bedrock/x", streamed=streamed).error
    assert (error["code"], len(httpserver.log)) == ("ERR_BAD_RESPONSE", 1), error["message"]


@pytest.mark.parametrize(
    ("kind", "code", "times"),
    [
        ("throttlingException", "ERR_RATE_LIMITED", 3),
        ("validationException", "ERR_INPUTS", 1),
        ("serviceUnavailableException", "ERR_UNAVAILABLE", 3),
    ],
)
def test_a_failure_inside_of_bedrocks_stream_is_told_in_its_words(
    ask: Ask, httpserver: HTTPServer, kind: str, code: str, times: int
) -> None:
    body, media_type = Bedrock().failure(kind, "in its words"), "application/vnd.amazon.eventstream"
    httpserver.expect_request(re.compile("/.*")).respond_with_data(body, content_type=media_type)
    error = ask(bedrock_at(httpserver), "bedrock/x").error
    assert (error["code"], "in its words" in error["message"], len(httpserver.log)) == (code, True, times), error


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("vendor", "end"), [("nlp_cloud", "/"), ("oobabooga", "")])
def test_what_is_no_answer_of_a_vendor_called_in_a_thread_is_asked_for_once(
    ask: Ask, httpserver: HTTPServer, vendor: str, end: str, streamed: bool
) -> None:
    httpserver.expect_request(re.compile("/.*")).respond_with_data(b"Hello", content_type="application/json")
    address = httpserver.url_for("").rstrip("/") + end
    error = ask(
        {f"{vendor.upper()}_API_KEY": CANARY, f"{vendor.upper()}_API_BASE": address}, f"{vendor}/m", streamed=streamed
    ).error
    assert (error["code"], len(httpserver.log)) == ("ERR_BAD_RESPONSE", 1), error["message"]
