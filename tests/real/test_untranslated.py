"""Answers in the words of Anthropic, Gemini, Ollama and Cohere with parts that LiteLLM leaves out or fails at."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tests.real.bedrock import Bedrock
from tests.real.conftest import LITELLM_WARNINGS, Ask, Call
from tests.real.test_abilities import MODELS
from tests.real.test_keys import secrets_for
from theoryctl_providers.litellm.vendors import VENDORS

pytestmark = [
    LITELLM_WARNINGS,
    pytest.mark.filterwarnings("ignore:Accessing the 'model_.*' attribute on the instance is deprecated"),
    pytest.mark.usefixtures("short_waits"),
]

PNG = "iVBORw0KGgo="
KINDS = {"ollama": "application/x-ndjson", "bedrock": "application/vnd.amazon.eventstream"}


def events(*documents: dict[str, Any]) -> bytes:
    named = ((document.get("type"), json.dumps(document)) for document in documents)
    return "".join((f"event: {kind}\n" if kind else "") + f"data: {text}\n\n" for kind, text in named).encode()


# -- one answer, whole and streamed, by vendor ------------------------------------------------------------------------


def anthropic(*blocks: tuple[dict[str, Any], list[dict[str, Any]]], reason: str = "end_turn") -> bytes:
    """A stream of blocks: the beginning of each, and its deltas."""
    usage = {"input_tokens": 19, "output_tokens": 7}
    message = {"id": "1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}

    def found() -> Iterator[dict[str, Any]]:
        yield {"type": "message_start", "message": message}
        for at, (start, deltas) in enumerate(blocks):
            yield {"type": "content_block_start", "index": at, "content_block": start}
            yield from ({"type": "content_block_delta", "index": at, "delta": delta} for delta in deltas)
            yield {"type": "content_block_stop", "index": at}
        yield {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 7}}
        yield {"type": "message_stop"}

    return events(*found())


def anthropic_whole(*content: dict[str, Any], reason: str = "end_turn") -> bytes:
    usage = {"input_tokens": 19, "output_tokens": 7}
    message = {"id": "1", "type": "message", "role": "assistant", "model": "m", "content": content}
    return json.dumps({**message, "stop_reason": reason, "usage": usage}).encode()


def both(document: dict[str, Any]) -> tuple[bytes, bytes]:
    """An answer of Gemini's, whole and as a stream of one event."""
    return json.dumps(document).encode(), events(document)


def gemini(*parts: dict[str, Any], reason: str = "STOP", **beside: Any) -> tuple[bytes, bytes]:
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": reason, "index": 0, **beside}
    usage = {"promptTokenCount": 19, "candidatesTokenCount": 7, "totalTokenCount": 26}
    return both({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m"})


def ollama(message: dict[str, Any], **more: Any) -> tuple[bytes, bytes]:
    counts = {"prompt_eval_count": 19, "eval_count": 7}
    end = {"model": "m", "message": {"role": "assistant", **message}, "done": True, "done_reason": "stop"}
    line = json.dumps({**end, **counts, **more}).encode()
    return line, line + b"\n"


def bedrock(*blocks: dict[str, Any], reason: str = "end_turn") -> tuple[bytes, bytes]:
    """An answer whole, and as a stream that says no more than why it ended."""
    usage = {"inputTokens": 19, "outputTokens": 7, "totalTokens": 26}
    output = {"output": {"message": {"role": "assistant", "content": blocks}}}
    frames = [("messageStart", {"role": "assistant"}), ("messageStop", {"stopReason": reason})]
    stream = b"".join(Bedrock()._frame(kind, **payload) for kind, payload in frames)
    return json.dumps({**output, "stopReason": reason, "usage": usage, "metrics": {}}).encode(), stream


def cohere(*steps: dict[str, Any], reason: str = "COMPLETE") -> bytes:
    """A stream of these messages, each in a delta."""
    deltas = [{"type": "content-delta", "index": 0, "delta": {"message": message}} for message in steps]
    end = {"finish_reason": reason, "usage": {"tokens": {"input_tokens": 19, "output_tokens": 7}}}
    return events({"type": "message-start", "delta": {"message": {}}}, *deltas, {"type": "message-end", "delta": end})


def cohere_whole(message: dict[str, Any], reason: str = "COMPLETE") -> bytes:
    usage = {"tokens": {"input_tokens": 19, "output_tokens": 7}}
    return json.dumps({"id": "1", "message": message, "finish_reason": reason, "usage": usage}).encode()


TEXT = {"type": "text", "text": "Hi"}
SAID = ({"type": "text", "text": ""}, [{"type": "text_delta", "text": "Hi"}])
SEARCH = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}}
IN_PIECES = [{"type": "input_json_delta", "partial_json": piece} for piece in ('{"query"', ': "x"}')]
FOUND = {
    "type": "web_search_tool_result",
    "tool_use_id": "s1",
    "content": [{"type": "web_search_result", "url": "https://example.com", "title": "E", "encrypted_content": "abc"}],
}
HOLOGRAM = {"type": "hologram", "data": "x"}
CALL = {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}}
RAN = [{"executableCode": {"code": "print(1)"}}, {"codeExecutionResult": {"output": "1\n"}}]
FILE = {"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/a.png"}}
CITED: dict[str, Any] = {"citationMetadata": {"citationSources": [{"uri": "https://example.com"}]}}
TOKEN = {"token": "Hi", "logprob": -0.1, "bytes": [72, 105]}
SIGNED = {"thoughtSignature": "c2lnbmVk"}
ONE = {"text": "Hi", "token_ids": [1], "logprobs": [-0.1]}
SEVERAL = {"text": " you", "token_ids": [2, 3], "logprobs": [-0.2, -0.3]}
COHERES = {"token": "Hi", "logprob": -0.1, "bytes": None, "top_logprobs": []}
SOUND = {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AAEC"}}
MADE = {"tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}

#: Vendor, whole answer, stream, and the outputs that both must become, without the reason why they ended.
ANSWERS: dict[str, tuple[str, bytes, bytes, dict[str, Any]]] = {
    "a search of Anthropic's": (
        "anthropic",
        anthropic_whole(SEARCH, FOUND, TEXT),
        anthropic(({**SEARCH, "input": {}}, IN_PIECES), (FOUND, []), SAID),
        {"answer": "Hi", "vendor_parts": [SEARCH, FOUND]},
    ),
    "an unknown block": (
        "anthropic",
        anthropic_whole(HOLOGRAM, TEXT),
        anthropic((HOLOGRAM, []), SAID),
        {"answer": "Hi", "vendor_parts": [HOLOGRAM]},
    ),
    "a call whose input comes at once": (
        "anthropic",
        anthropic_whole({**CALL, "id": "t0", "input": {}}, CALL, reason="tool_use"),
        anthropic(({**CALL, "id": "t0", "input": {}}, []), (CALL, []), reason="tool_use"),
        {"tool_calls": [{"id": "t0", "name": "f", "arguments": {}}, {"id": "t1", "name": "f", "arguments": {"x": 1}}]},
    ),
    "a call whose input comes twice": (
        "anthropic",
        anthropic_whole(CALL, reason="tool_use"),
        anthropic((CALL, [{"type": "input_json_delta", "partial_json": '{"x": 1}'}]), reason="tool_use"),
        {"tool_calls": [{"id": "t1", "name": "f", "arguments": {"x": 1}}]},
    ),
    "code that Gemini ran": ("gemini", *gemini(*RAN, {"text": "Hi"}), {"answer": "Hi", "vendor_parts": RAN}),
    "a file of Gemini's": ("gemini", *gemini({"text": "Hi"}, FILE), {"answer": "Hi", "vendor_parts": [FILE]}),
    "sources of Gemini's": ("gemini", *gemini({"text": "Hi"}, **CITED), {"answer": "Hi", "vendor_parts": [CITED]}),
    "signatures of Gemini's": (
        "gemini",
        *gemini({"text": "Hi", **SIGNED}, {"inlineData": {"mimeType": "image/png", "data": PNG}}),
        {"answer": "Hi", "image": PNG, "vendor_parts": [SIGNED]},
    ),
    "log probabilities of Cohere's": (
        "cohere",
        json.dumps({**json.loads(cohere_whole({"content": [TEXT]})), "logprobs": [ONE, SEVERAL]}).encode(),
        events({"type": "content-delta", "logprobs": ONE}, {"type": "content-delta", "logprobs": SEVERAL})
        + cohere({"content": TEXT}),
        {"answer": "Hi", "logprobs": {"content": [COHERES]}, "vendor_parts": [{"logprobs": SEVERAL}]},
    ),
    "speech of Gemini's": ("gemini", *gemini(SOUND), {"audio": "AAEC"}),
    "an image of Ollama's": ("ollama", *ollama({"content": "Hi", "images": [PNG]}), {"answer": "Hi", "image": PNG}),
    "log probabilities of Ollama's": (
        "ollama",
        *ollama({"content": "Hi"}, logprobs=[TOKEN]),
        {"answer": "Hi", "logprobs": {"content": [TOKEN]}},
    ),
    "thoughts of Cohere's": (
        "cohere",
        cohere_whole({"content": [{"type": "thinking", "thinking": "Hm. So."}, TEXT]}),
        cohere(*({"content": piece} for piece in ({"thinking": "Hm. "}, {"thinking": "So."}, {"text": "Hi"}))),
        {"reasoning": "Hm. So.", "answer": "Hi"},
    ),
}  # fmt: skip


@pytest.fixture
def ask_vendor(ask: Ask, httpserver: HTTPServer) -> Any:
    """Ask a vendor that gives this answer, once."""

    def ask_vendor(vendor: str, body: bytes, *, streamed: bool) -> Call:
        kind = KINDS.get(vendor, "text/event-stream")
        told = {"content-type": kind if streamed else "application/json", "x-ratelimit-remaining-requests": "7"}
        httpserver.expect_request(re.compile(".*")).respond_with_data(body, headers=told)
        (row,) = [row for row in VENDORS if row.name == vendor]
        model = f"{vendor}/{MODELS.get(vendor, 'a-model')}"
        call = ask(secrets_for(row, httpserver.url_for("").rstrip("/")), model, streamed=streamed)
        assert len(httpserver.log) == 1
        return call

    return ask_vendor


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("name", ANSWERS)
def test_no_part_of_an_answer_is_lost(ask_vendor: Any, name: str, streamed: bool) -> None:
    vendor, whole, stream, expected = ANSWERS[name]
    call = ask_vendor(vendor, stream if streamed else whole, streamed=streamed)
    assert {key: value for key, value in call.outputs.items() if key != "finish_reason"} == expected
    assert (call.envelope["usage"]["input_tokens"], call.envelope["usage"]["output_tokens"]) == (19, 7)
    vendor_info = call.envelope["meta"]["vendor"]
    assert vendor_info is not None and vendor_info["headers"] == {"x-ratelimit-remaining-requests": "7"}


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_speech_has_the_media_type_that_the_vendor_says(ask_vendor: Any, streamed: bool) -> None:
    outputs = ask_vendor("gemini", gemini(SOUND)[streamed], streamed=streamed).envelope["outputs"]
    assert [output["media_type"] for output in outputs if output["name"] == "audio"] == ["audio/L16;rate=24000"]


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_a_call_of_geminis_without_arguments_is_one(ask_vendor: Any, streamed: bool) -> None:
    body = gemini({"functionCall": {"name": "f"}})[streamed]
    (called,) = ask_vendor("gemini", body, streamed=streamed).outputs["tool_calls"]
    assert (called["name"], called["arguments"]) == ("f", {})


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_a_plan_of_coheres_is_reasoning(ask_vendor: Any, streamed: bool) -> None:
    plan = {"tool_plan": "I will call f."}
    whole = cohere_whole({**plan, **MADE}, "TOOL_CALL")
    call = {"tool_calls": {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}}
    steps = [("tool-plan-delta", plan), ("tool-call-start", call), ("tool-call-end", {})]
    deltas = [{"type": kind, "index": 0, "delta": {"message": message}} for kind, message in steps]
    stream = events(*deltas, {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL"}})
    outputs = ask_vendor("cohere", stream if streamed else whole, streamed=streamed).outputs
    assert outputs["reasoning"] == "I will call f."
    assert outputs["tool_calls"] == [{"id": "c1", "name": "f", "arguments": {}}]


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(
    ("vendor", "bodies", "reason"),
    [
        ("gemini", gemini(reason="MALFORMED_FUNCTION_CALL", finishMessage="print("), "MALFORMED_FUNCTION_CALL: print("),
        ("gemini", gemini({"text": "Hi"}, reason="UNEXPECTED_TOOL_CALL"), "UNEXPECTED_TOOL_CALL"),
        ("bedrock", bedrock({"text": "Hi"}, reason="malformed_tool_use"), "malformed_tool_use"),
        ("cohere", (cohere_whole({"content": []}, "ERROR"), cohere(reason="ERROR")), "ERROR"),
        ("cohere", (cohere_whole({"content": []}, "TIMEOUT"), cohere({"content": TEXT}, reason="TIMEOUT")), "TIMEOUT"),
    ],
    ids=["malformed", "unexpected", "of bedrock", "error", "timeout"],
)  # fmt: skip
def test_an_answer_that_ends_for_a_failure_is_none(
    ask_vendor: Any, vendor: str, bodies: tuple[bytes, bytes], reason: str, streamed: bool
) -> None:
    error = ask_vendor(vendor, bodies[streamed], streamed=streamed).error
    assert (error["code"], f"ended for this reason: {reason} (" in error["message"]) == ("ERR_BAD_RESPONSE", True), (
        error
    )


def test_parts_of_bedrocks_that_it_does_not_stream_are_not_lost(ask_vendor: Any) -> None:
    cited = {"citationsContent": {"content": [{"text": "Hi"}], "citations": [{"title": "T"}]}}
    image = {"image": {"format": "png", "source": {"bytes": PNG}}}
    outputs = ask_vendor("bedrock", bedrock(cited, image)[0], streamed=False).outputs
    assert outputs == {"answer": "Hi", "finish_reason": "stop", "image": PNG, "vendor_parts": [cited]}


@pytest.mark.parametrize("count", ["1e999", "1e300", "-3", "true", '"7"'])
@pytest.mark.parametrize(
    ("vendor", "body", "streamed"),
    [
        ("ollama", ollama({"content": "Hi"})[0], False),
        ("ollama", ollama({"content": "Hi"})[1], True),
        ("cohere", cohere_whole({"content": [TEXT]}), False),
        ("cohere", cohere({"content": TEXT}), True),
        ("bedrock", bedrock({"text": "Hi"})[0], False),
    ],
    ids=["ollama", "ollama streamed", "cohere", "cohere streamed", "bedrock"],
)
def test_a_count_that_is_none_is_unknown(ask_vendor: Any, vendor: str, body: bytes, streamed: bool, count: str) -> None:
    call = ask_vendor(vendor, body.replace(b": 19", f": {count}".encode()), streamed=streamed)
    assert call.outputs["answer"] == "Hi"
    assert (call.envelope["usage"]["input_tokens"], call.envelope["usage"]["output_tokens"]) == (None, 7)
