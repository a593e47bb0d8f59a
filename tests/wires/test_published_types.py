"""Documents of each wire against the types that its vendor's client publishes: clients in stricter languages refuse an
answer with a null or a text where a number belongs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from google.genai.types import GenerateContentResponse
from ollama import ChatResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.providers.started import CONFIG, TOKEN, serving
from tests.wires.conftest import Instance, scripted
from theoryctl_providers import LLMProvider
from theoryctl_providers.contract import Delta, Event, Finish, ResolvedRequest, Usage

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


class Uncounted(LLMProvider):
    """Says nothing of its tokens."""

    default_model = "own/m"
    counted: Usage | None = None

    async def stream(self, request: ResolvedRequest) -> AsyncIterator[Event]:
        yield Delta(text="Hello.")
        yield Finish()
        if self.counted is not None:
            yield self.counted


class CountsPrompt(Uncounted):
    counted = Usage(input_tokens=5)


class CountsAnswer(Uncounted):
    counted = Usage(output_tokens=3)


class CountsDetails(Uncounted):
    counted = Usage(cached_input_tokens=2, cache_write_tokens=1, reasoning_tokens=1)


class CountsBoth(Uncounted):
    counted = Usage(input_tokens=5, output_tokens=3)


#: Providers that count less than all, as many vendors do.
COUNTING = ("Uncounted", "CountsPrompt", "CountsAnswer", "CountsDetails", "CountsBoth")


#: Counts that an API has no null for: where nobody said them they are null all the same, for 0 would be made up.
UNSAID: Any = {
    "anthropic": {"input_tokens": 0, "output_tokens": 0},
    "responses": {
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    },
}


def with_counts(document: Any, unsaid: Any) -> Any:
    """A document with those counts in the place of nulls."""
    if not isinstance(document, dict):
        return document
    inner = {name: with_counts(value, unsaid) for name, value in document.items()}
    if isinstance(usage := inner.get("usage"), dict):
        inner["usage"] = usage | {name: count for name, count in unsaid.items() if usage.get(name, 0) is None}
    return inner


@pytest.fixture(scope="module", params=ANSWERS)
def told(request: pytest.FixtureRequest) -> Iterator[Instance]:
    """An instance that gives one of the answers."""
    answer = {"usage": COUNTED, **ANSWERS[request.param]}
    with serving(scripted({"rules": [{"answers": [answer]}]})) as (port, _):
        yield Instance(port)


@pytest.fixture(scope="module", params=COUNTING)
def counting(request: pytest.FixtureRequest) -> Iterator[Instance]:
    """An instance of one of the providers that count less."""
    provider = replace(CONFIG.provider, provider=f"{__name__}:{request.param}")
    with serving(replace(CONFIG, provider=provider)) as (port, _):
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


def check(instance: Instance, api: str, unsaid: Any) -> None:
    path, body, kind, stream, beside, piece = APIS[api]
    whole = json.loads(asked(instance, path, body))
    checker(kind).validate_python(with_counts(whole, unsaid))
    pieces = [*pieces_of(asked(instance, stream, {**body, **beside}))]
    assert pieces
    for each in pieces:
        checker(piece).validate_python(with_counts(each, unsaid))


@pytest.mark.parametrize("api", APIS)
def test_an_answer_has_the_types_that_its_vendors_client_publishes(told: Instance, api: str) -> None:
    check(told, api, {})


@pytest.mark.parametrize("api", APIS)
def test_an_answer_that_is_not_counted_has_these_types_but_for_the_counts(counting: Instance, api: str) -> None:
    check(counting, api, UNSAID.get(api, {}))
