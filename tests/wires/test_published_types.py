"""Documents of each wire against the types that its vendor's client publishes: clients in stricter languages refuse an
answer with a null or a text where a number belongs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from google.genai.types import GenerateContentResponse
from ollama import ChatResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.providers.started import TOKEN, serving
from tests.wires.conftest import Instance, scripted

COUNTED: Any = {"input_tokens": 20, "output_tokens": 9, "reasoning_tokens": 4}
COUNTED |= {"cached_input_tokens": 12, "cache_write_tokens": 5}
SOURCED = {"reasoning": "Hm.", "text": "It is sunny.", "annotations": [{"url": "https://example.com/a"}]}
CALLED = {"text": "", "tool_calls": [{"name": "weather", "arguments": {"city": "Turin"}}]}
ANSWERS: Any = {
    "words": {"text": "Hello."},
    "sources": SOURCED,
    "calls": CALLED,
    "refusal": {"refusal": "I will not."},
    "cut": {"text": "Hel", "finish_reason": "length"},
    "withheld": {"text": "Hel", "finish_reason": "content_filter"},
}

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTION = {"name": "weather", "parameters": SCHEMA}
SAID = [{"role": "user", "content": "Hi."}]
CHAT: Any = {"model": "m", "messages": SAID, "tools": [{"type": "function", "function": FUNCTION}]}
RESPONSE: Any = {"model": "m", "input": "Hi.", "tools": [{"type": "function", "strict": False, **FUNCTION}]}
TOOL = {"name": "weather", "input_schema": SCHEMA}
MESSAGE: Any = {"model": "m", "max_tokens": 99, "messages": SAID, "tools": [TOOL]}
GEMINI: Any = {
    "contents": [{"parts": [{"text": "Hi."}]}],
    "tools": [{"functionDeclarations": [{"name": "weather", "parametersJsonSchema": SCHEMA}]}],
}
STREAMED = {"stream": True}

#: Of each API: path, body, type of its answer; what a stream of it has besides, and the type of its pieces.
APIS: Any = {
    "chat": ("/v1/chat/completions", CHAT, ChatCompletion, "/v1/chat/completions", STREAMED, ChatCompletionChunk),
    "responses": ("/v1/responses", RESPONSE, Response, "/v1/responses", STREAMED, ResponseStreamEvent),
    "anthropic": ("/v1/messages", MESSAGE, Message, "/v1/messages", STREAMED, RawMessageStreamEvent),
    "ollama": ("/api/chat", {**CHAT, "stream": False}, ChatResponse, "/api/chat", STREAMED, ChatResponse),
    "gemini": (
        *("/v1beta/models/m:generateContent", GEMINI, GenerateContentResponse),
        *("/v1beta/models/m:streamGenerateContent?alt=sse", {}, GenerateContentResponse),
    ),
}


@pytest.fixture(scope="module", params=ANSWERS)
def told(request: pytest.FixtureRequest) -> Iterator[Instance]:
    """An instance that gives one of the answers."""
    answer = {"usage": COUNTED, **ANSWERS[request.param]}
    with serving(scripted({"rules": [{"answers": [answer]}]})) as (port, _):
        yield Instance(port)


def asked(told: Instance, path: str, body: Any) -> bytes:
    answer = told.ask(path, body, authorization=f"Bearer {TOKEN}", x_goog_api_key=TOKEN)
    assert answer.status == 200, answer.body
    return answer.body


@cache
def checker(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def pieces_of(body: bytes) -> Iterator[Any]:
    for line in body.decode().splitlines():
        data = line.removeprefix("data: ")
        if data.startswith("{"):
            yield json.loads(data)


@pytest.mark.parametrize("api", APIS)
def test_an_answer_has_the_types_that_its_vendors_client_publishes(told: Instance, api: str) -> None:
    path, body, kind, stream, beside, piece = APIS[api]
    checker(kind).validate_json(asked(told, path, body))
    pieces = [*pieces_of(asked(told, stream, {**body, **beside}))]
    assert pieces
    for each in pieces:
        checker(piece).validate_python(each)
