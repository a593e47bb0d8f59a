"""Tool calls of vendors: their pieces, ids and arguments, and the dialects of Ollama and Anthropic."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.real.conftest import ANTHROPIC, LITELLM_WARNINGS, Asked
from tests.real.reading import CASES, WEATHER, chunks, function
from tests.real.vendor import says, says_events, says_lines

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("short_waits")]
OLLAMA = "ollama/llama3.2"


# -- tool calls -------------------------------------------------------------------------------------------------------


def test_arguments_in_pieces_are_one_call(asked: Asked) -> None:
    pieces = [function("f", "", index=0, id="c"), function(None, '{"a"', index=0), function(None, ": 1}", index=0)]
    call = asked(says_events(chunks(*pieces, reason="tool_calls")))
    assert call.outputs["tool_calls"] == [{"id": "c", "name": "f", "arguments": {"a": 1}}]


def test_an_id_and_a_name_that_are_repeated_begin_no_other_call(asked: Asked) -> None:
    pieces = [function("f", '{"a"', index=0, id="c"), function("f", ": 1}", index=0, id="c")]
    call = asked(says_events(chunks(*pieces, reason="tool_calls")))
    assert call.outputs["tool_calls"] == [{"id": "c", "name": "f", "arguments": {"a": 1}}]


def test_a_name_after_whole_arguments_begins_another_call(asked: Asked) -> None:
    pieces = [function("f", "{}", index=0), function("g", "{}", index=0)]
    calls = asked(says_events(chunks(*pieces, reason="tool_calls"))).outputs["tool_calls"]
    assert [(call["id"], call["name"]) for call in calls] == [("call_0", "f"), ("call_1", "g")]


def test_ids_that_are_made_are_not_those_of_earlier_turns(asked: Asked) -> None:
    earlier = {"id": "call_0", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": None, "tool_calls": [earlier]},
        {"role": "tool", "tool_call_id": "call_0", "content": "y"},
    ]
    call = asked(says_events(chunks(function("f", "{}"), reason="tool_calls")), messages=messages)
    assert [call["id"] for call in call.outputs["tool_calls"]] == ["call_1"]


@pytest.mark.parametrize("arguments", ['{"city": "Turin"}{}', '{"city"', "Turin", '{"city": NaN}'])
def test_arguments_that_are_no_json_are_no_success(asked: Asked, arguments: str) -> None:
    call = asked(says_events(chunks(function("f", arguments, id="c"), reason="tool_calls")))
    assert (call.error["code"], "calls f" in call.error["message"]) == ("ERR_BAD_RESPONSE", True)


def test_a_call_without_a_name_is_no_success(asked: Asked) -> None:
    call = asked(says_events(chunks(function(None, "{}", id="c"), reason="tool_calls")))
    assert call.error["code"] == "ERR_BAD_RESPONSE"


def ollama(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": "", **message}
    return {"model": "llama3.2", "created_at": "2025-01-01T00:00:00Z", "message": said, "done": False, **more}


DONE = {"done": True, "done_reason": "stop"}
COUNTS = {"prompt_eval_count": 9, "eval_count": 3}


# -- Ollama and Anthropic ---------------------------------------------------------------------------------------------


def test_two_calls_through_ollama_are_two_calls(asked: Asked) -> None:
    inputs = json.loads((CASES / "two-tools-ollama.json").read_text())
    calls = [
        {"function": {"name": "get_weather", "arguments": WEATHER}},
        {"function": {"name": "now", "arguments": {}}},
    ]
    lines = [*(ollama({"tool_calls": [call]}) for call in calls), ollama({}, **DONE, **COUNTS)]
    found = asked(says_lines(*lines), inputs["model"], tools=inputs["tools"]).outputs["tool_calls"]
    assert [(call["name"], call["arguments"]) for call in found] == [("get_weather", WEATHER), ("now", {})]
    assert len({call["id"] for call in found} - {""}) == 2


def test_a_crash_of_ollama_in_mid_stream_is_the_vendors_failure(asked: Asked) -> None:
    lines = says_lines(ollama({"content": "Hel"}), {"error": "llama runner process has terminated"})
    error = asked(lines, OLLAMA).error
    assert (error["code"], "llama runner" in error["message"]) == ("ERR_UNAVAILABLE", True)


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_ollamas_counts_are_its_own_or_unknown(asked: Asked, streamed: bool) -> None:
    for counts, expected in ((COUNTS, (9, 3)), ({}, (None, None))):
        call = asked(says_lines(ollama({"content": "Hi"}, **DONE, **counts)), OLLAMA, streamed=streamed)
        usage = call.envelope["usage"]
        assert (call.outputs["answer"], usage["input_tokens"], usage["output_tokens"]) == ("Hi", *expected)


THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "S1"}
REDACTED = {"type": "redacted_thinking", "data": "R1"}

ANTHROPICS_USAGE = {
    "input_tokens": 9,
    "output_tokens": 3,
    "cache_read_input_tokens": 4,
    "cache_creation_input_tokens": 2,
}


def anthropic_events() -> list[dict[str, Any]]:
    blocks = [
        ({"type": "thinking", "thinking": "", "signature": ""}, [
            {"type": "thinking_delta", "thinking": "H"}, {"type": "thinking_delta", "thinking": "m."},
            {"type": "signature_delta", "signature": "S1"}]),
        (REDACTED, []),
        ({"type": "text", "text": ""}, [{"type": "text_delta", "text": "4"}]),
    ]  # fmt: skip
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": []}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {**message, "usage": ANTHROPICS_USAGE}}]
    for index, (block, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    return [*events, {"type": "message_delta", "delta": ended, "usage": {"output_tokens": 3}}, {"type": "message_stop"}]


def test_a_stream_of_ollama_that_nobody_asked_for_is_read_like_one(asked: Asked) -> None:
    tool = {"function": {"name": "now", "arguments": WEATHER}}
    streams = {
        OLLAMA: says_lines(ollama({"content": "Hel"}), ollama({"content": "lo"}), ollama({}, **DONE, **COUNTS)),
        "ollama/llama3.1": says_lines(ollama({"tool_calls": [tool]}), ollama({}, **DONE, **COUNTS)),
    }
    for model, stream in streams.items():
        wanted, got = (asked(stream, model, streamed=streamed) for streamed in (True, False))
        for call in (*wanted.outputs.get("tool_calls", ()), *got.outputs.get("tool_calls", ())):
            assert call.pop("id")  # Ollama says none
        assert (got.outputs, got.envelope["usage"]) == (wanted.outputs, wanted.envelope["usage"])


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_anthropics_thinking_comes_with_the_blocks_that_go_back(asked: Asked, streamed: bool) -> None:
    content = [THINKING, REDACTED, {"type": "text", "text": "4"}]
    whole = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": content}
    behaviour = says_events(anthropic_events()) if streamed else says(
        {**whole, "stop_reason": "end_turn", "usage": ANTHROPICS_USAGE})  # fmt: skip
    call = asked(behaviour, ANTHROPIC, streamed=streamed)
    blocks = [{key: block[key] for key in block if key != "index"} for block in call.outputs.pop("thinking_blocks")]
    assert blocks == [THINKING, REDACTED]
    outputs = {name: value for name, value in call.outputs.items() if name != "thinking_blocks"}
    assert outputs == {"answer": "4", "reasoning": "Hm.", "finish_reason": "stop"}
    usage = call.envelope["usage"]
    assert (usage["input_tokens"], usage["cached_input_tokens"], usage["cache_write_tokens"]) == (15, 4, 2)
    assert usage["reasoning_tokens"] is None
    vendor = call.envelope["meta"]["vendor"]
    assert vendor is not None and vendor["model"] == "claude-x"


def test_a_signature_comes_between_the_reasoning_that_it_ends_and_the_text(asked: Asked) -> None:
    call = asked(says_events(anthropic_events()), ANTHROPIC)
    said = [delta.reasoning or delta.text or f"[{delta.signature}]" for delta in call.deltas]
    assert "".join(said) == f"Hm.[{THINKING['signature']}]4"
