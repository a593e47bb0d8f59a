"""What a vendor said is what comes out: streamed and whole, once, with nothing lost and nothing invented."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NO_DETAILS
from tests.real.conftest import ANTHROPIC, CANARY, LITELLM_WARNINGS, OPENAI, Ask, Call
from tests.real.dialects import whole_answer
from tests.real.vendor import Conversation, Vendor, says, says_events, says_lines
from theoryctl_providers import stream
from theoryctl_providers.contract import Delta, ProviderConfig, Recording, Recordings, Request, Result, Tape, VendorInfo
from theoryctl_providers.engine.drive import drive
from theoryctl_providers.engine.execute import execute

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("short_waits")]

CASES = Path(__file__).parent / "cases"
STREAMS = {name: case["events"] for name, case in json.loads((CASES / "vendor_streams.json").read_text()).items()}
OLLAMA = "ollama/llama3.2"

WEATHER, TIME = {"city": "Turin"}, {"zone": "CET"}
CALLS = [
    {"id": "call_a", "name": "get_weather", "arguments": WEATHER},
    {"id": "call_b", "name": "get_time", "arguments": TIME},
]
HEAD = {"id": "chatcmpl-1", "created": 1, "model": "m-2024"}

#: What each of the streams must become.
EXPECTED: dict[str, dict[str, Any]] = {
    "reasoning": {"answer": "42", "reasoning": "Let me think. Done.", "finish_reason": "stop"},
    "refusal": {"refusal": "I can't help with that.", "finish_reason": "stop"},
    "emptystop": {"answer": "", "finish_reason": "stop"},
    "noindex": {"tool_calls": CALLS, "finish_reason": "tool_calls"},
    "dupindex": {"tool_calls": CALLS, "finish_reason": "tool_calls"},
    "noid": {
        "tool_calls": [{**CALLS[0], "id": "call_0"}, {**CALLS[1], "id": "call_1"}],
        "finish_reason": "tool_calls",
    },
    "images": {"image": "iVBORw0KGgo=", "finish_reason": "stop"},
    "citations": {
        "answer": "See [1]",
        "annotations": [{"type": "url_citation", "url_citation": {"url": "https://example.com"}}],
        "finish_reason": "stop",
    },
    "usage0": {"answer": "Hello there friend", "finish_reason": "stop"},
    "cfilter": {"answer": "Half an ans", "finish_reason": "content_filter"},
}
FAILURES = {"nofinish": "ERR_BAD_RESPONSE", "orerror": "ERR_UNAVAILABLE"}

DETAILS = {"cached_input_tokens": 16, "cache_write_tokens": None, "reasoning_tokens": 25}


def choice(message: dict[str, Any], reason: str | None = "stop", index: int = 0, **more: Any) -> dict[str, Any]:
    return {"index": index, "message": {"role": "assistant", **message}, "finish_reason": reason, **more}


def completion(*choices: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A whole answer in OpenAI's format."""
    return {**HEAD, "object": "chat.completion", "choices": list(choices), **more}


def chunks(*deltas: dict[str, Any], reason: str = "stop") -> list[dict[str, Any]]:
    """An answer in OpenAI's format, streamed."""
    made = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    return [{**HEAD, "object": "chat.completion.chunk", **chunk} for chunk in (*made, last(reason))]


def last(reason: str, index: int = 0) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": {}, "finish_reason": reason}]}


def function(name: str | None, arguments: str | None, **more: Any) -> dict[str, Any]:
    """A delta with a piece of a tool call."""
    return {"tool_calls": [{"type": "function", "function": {"name": name, "arguments": arguments}, **more}]}


Asked = Callable[..., Call]


@pytest.fixture
def asked(ask: Ask) -> Asked:
    """Ask a vendor of this behaviour, and hold that it is asked once."""

    def asked(behaviour: Any, *arguments: Any, **options: Any) -> Call:
        with Vendor(behaviour) as vendor:
            call = ask({**vendor.addresses, **_ollama(vendor, arguments)}, *arguments, **options)
        assert len(vendor.requests) == 1
        return call

    return asked


def _ollama(vendor: Vendor, arguments: tuple[Any, ...]) -> dict[str, str]:
    return {"LLM_API_BASE": vendor.url} if arguments and arguments[0].startswith("ollama/") else {}


# -- streams of the kinds that users reported -------------------------------------------------------------------------


def test_every_stream_has_an_expectation() -> None:
    assert sorted(STREAMS) == sorted([*EXPECTED, *FAILURES])


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_a_stream_becomes_what_the_vendor_said(asked: Asked, name: str, streamed: bool) -> None:
    # A server that streams although nobody asked it to says the same.
    assert asked(says_events(STREAMS[name]), streamed=streamed).outputs == EXPECTED[name]


@pytest.mark.parametrize(("name", "code"), FAILURES.items())
def test_a_stream_that_fails_is_no_success(asked: Asked, name: str, code: str) -> None:
    error = asked(says_events(STREAMS[name])).error
    assert error["code"] == code
    assert "litellm" not in error["message"].lower() and "Error" not in error["message"]


def test_the_words_of_a_failure_inside_a_stream_are_passed_on(asked: Asked) -> None:
    assert "Provider disconnected" in asked(says_events(STREAMS["orerror"])).error["message"]


def test_details_of_usage_are_those_that_the_vendor_said(asked: Asked) -> None:
    usage = asked(says_events(STREAMS["reasoning"])).envelope["usage"]
    assert usage == {"input_tokens": 20, "output_tokens": 30, "cost_usd": usage["cost_usd"], **DETAILS}
    zeros = asked(says_events(STREAMS["usage0"])).envelope["usage"]
    assert zeros == {"input_tokens": 0, "output_tokens": 0, "cost_usd": 0.0, **NO_DETAILS}


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_usage_that_nobody_said_is_unknown(asked: Asked, streamed: bool) -> None:
    answer = says_events(chunks({"content": "Hi"})) if streamed else says(completion(choice({"content": "Hi"})))
    assert set(asked(answer, streamed=streamed).envelope["usage"].values()) == {None}


def test_reasoning_comes_as_it_is_said(asked: Asked) -> None:
    deltas = asked(says_events(STREAMS["reasoning"])).deltas
    assert [(delta.reasoning, delta.text) for delta in deltas] == [
        ("Let me think. ", None), ("Done.", None), (None, "42")]  # fmt: skip


def test_an_image_is_bytes_with_their_media_type(asked: Asked) -> None:
    (image, _) = asked(says_events(STREAMS["images"])).envelope["outputs"][::-1]
    assert (image["name"], image["media_type"], image["size"]) == ("image", "image/png", 8)


# -- whole answers ----------------------------------------------------------------------------------------------------


def test_nothing_is_streamed_where_nobody_reads_a_stream(ask: Ask) -> None:
    with Vendor(says(completion(choice({"content": "Hi"})))) as vendor:
        assert ask(vendor.addresses, streamed=False).outputs == {"answer": "Hi", "finish_reason": "stop"}
    assert vendor.requests[0].body.keys() == {"model", "messages"}


WHOLE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "reasoning": ({"content": "42", "reasoning_content": "Think."}, {"answer": "42", "reasoning": "Think."}),
    "reasoning by another name": ({"content": "42", "reasoning": "Think."}, {"answer": "42", "reasoning": "Think."}),
    "refusal": ({"content": None, "refusal": "No."}, {"refusal": "No."}),
    "nothing": ({"content": None}, {"answer": ""}),
    "parts": (
        {"content": [{"type": "thinking", "thinking": [{"text": "Hm."}]}, {"type": "text", "text": "4"}]},
        {"answer": "4", "reasoning": "Hm."},
    ),
    "two calls": (
        {
            "content": None,
            "tool_calls": [
                {"id": call["id"], "type": "function", "function": {**call, "arguments": json.dumps(call["arguments"])}}
                for call in CALLS
            ],
        },
        {"tool_calls": CALLS},
    ),
    "a call of old": (
        {"content": None, "function_call": {"name": "get_time", "arguments": '{"zone": "CET"}'}},
        {"tool_calls": [{"id": "call_0", "name": "get_time", "arguments": TIME}]},
    ),
    "image": (
        {"content": "", "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]},
        {"image": "iVBORw0KGgo="},
    ),
    "blocks that go back": (
        {"content": "4", "reasoning_details": [{"type": "reasoning.encrypted", "data": "xyz", "index": 0}]},
        {"answer": "4", "reasoning_details": [{"type": "reasoning.encrypted", "data": "xyz", "index": 0}]},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("message", "expected"), WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("streamed", [True, False], ids=["stream asked for", "whole"])
def test_a_whole_answer_says_the_same_whether_a_stream_was_asked_for_or_not(
    asked: Asked, message: dict[str, Any], expected: dict[str, Any], streamed: bool
) -> None:
    outputs = asked(says(completion(choice(message))), streamed=streamed).outputs
    assert outputs == {**expected, "finish_reason": "stop"}


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_each_choice_ends_for_its_own_reason(asked: Asked, streamed: bool) -> None:
    whole = completion(choice({"content": "a"}), choice({"content": "b"}, "length", 1))
    events = [
        {**HEAD, "choices": [{"index": index, "delta": {"content": text}, "finish_reason": None}]}
        for index, text in enumerate("ab")
    ]
    streams = says_events([*events, {**HEAD, **last("stop")}, {**HEAD, **last("length", 1)}])
    outputs = asked(streams if streamed else says(whole), n=2, streamed=streamed).outputs
    assert outputs == {"answer": "a", "answer.1": "b", "finish_reason": "stop", "finish_reason.1": "length"}


def test_a_choice_that_nobody_ended_is_no_answer(asked: Asked) -> None:
    events = [{**HEAD, "choices": [{"index": 1, "delta": {"content": "b"}, "finish_reason": None}]}]
    call = asked(says_events([*events, {**HEAD, **last("stop")}]), n=2)
    assert call.error["code"] == "ERR_BAD_RESPONSE"


def test_an_error_object_with_status_200_is_the_vendors_failure(asked: Asked) -> None:
    error = {"message": "No such thing.", "code": 404, "type": "not_found"}
    for streamed in (True, False):
        found = asked(says({"error": error}), streamed=streamed).error
        assert (found["code"], "No such thing." in found["message"]) == ("ERR_MODEL_NOT_FOUND", True)


def test_log_probabilities_are_an_output(asked: Asked) -> None:
    token = {"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}
    whole = completion(choice({"content": "Hi"}, logprobs={"content": [token], "refusal": None}))
    events = chunks({"content": "Hi"})
    events[0]["choices"][0]["logprobs"] = {"content": [token]}
    for streamed, answer in ((False, says(whole)), (True, says_events(events))):
        assert asked(answer, logprobs=True, streamed=streamed).outputs["logprobs"] == {"content": [token]}


def test_a_key_spread_over_tokens_with_log_probabilities_is_taken_out(asked: Asked) -> None:
    tokens = [{"token": piece, "logprob": -1.0} for piece in ("Key: ", CANARY[:7], CANARY[7:], "!")]
    whole = completion(choice({"content": f"Key: {CANARY}!"}, logprobs={"content": tokens}))
    call = asked(says(whole), logprobs=True, streamed=False)
    assert [token["token"] for token in call.outputs["logprobs"]["content"]] == ["Key: ", "[OPENAI_API_KEY]", "", "!"]
    assert CANARY[7:] not in repr(call.events)


def test_a_compressed_stream_is_read_as_any_other(asked: Asked) -> None:
    events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in STREAMS["reasoning"])
    packed = gzip.compress(events.encode())

    def behave(talk: Conversation) -> None:
        talk.send(200, packed, content_type="text/event-stream", content_encoding="gzip")

    assert asked(behave).outputs == EXPECTED["reasoning"]


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_stream_may_be_cut_anywhere_and_have_comments_and_other_line_ends(asked: Asked, cut: int) -> None:
    events = ": PROCESSING\r\n\r\n" + "".join(f"data: {json.dumps(each)}\r\n\r\n" for each in STREAMS["citations"])
    data = events.encode()

    def behave(talk: Conversation) -> None:
        talk.stream([data[at : at + cut] for at in range(0, len(data), cut)])

    assert asked(behave).outputs == EXPECTED["citations"]


def test_an_answer_that_breaks_off_before_its_first_piece_was_paid_for_all_the_same(asked: Asked) -> None:
    def behave(talk: Conversation) -> None:
        talk.begin_stream()
        talk.write(talk.dialect.opening()[0])
        talk.hang_up(reset=True)

    assert asked(behave).error["code"] == "ERR_BAD_RESPONSE"


def test_a_whole_answer_on_several_lines_is_one_document(asked: Asked) -> None:
    text = json.dumps(completion(choice({"content": "Hi"})), indent=2).encode()
    assert asked(lambda talk: talk.send(200, text)).outputs["answer"] == "Hi"


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


@pytest.mark.parametrize("arguments", ['{"city": "Turin"}{}', '{"city"', "Turin"])
def test_arguments_that_are_no_json_are_no_success(asked: Asked, arguments: str) -> None:
    call = asked(says_events(chunks(function("f", arguments, id="c"), reason="tool_calls")))
    assert (call.error["code"], "calls f" in call.error["message"]) == ("ERR_BAD_RESPONSE", True)


def test_a_call_without_a_name_is_no_success(asked: Asked) -> None:
    call = asked(says_events(chunks(function(None, "{}", id="c"), reason="tool_calls")))
    assert call.error["code"] == "ERR_BAD_RESPONSE"


# -- Ollama and Anthropic ---------------------------------------------------------------------------------------------


def ollama(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": "", **message}
    return {"model": "llama3.2", "created_at": "2025-01-01T00:00:00Z", "message": said, "done": False, **more}


DONE = {"done": True, "done_reason": "stop"}
COUNTS = {"prompt_eval_count": 9, "eval_count": 3}


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


# -- who answered -----------------------------------------------------------------------------------------------------

LIMITS = {"x_ratelimit_remaining_requests": "41", "x_request_id": "req_1", "set_cookie": "a=b"}
TOLD = {"x-ratelimit-remaining-requests": "41", "x-request-id": "req_1"}


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_the_envelope_says_who_answered(asked: Asked, streamed: bool) -> None:
    more = {"system_fingerprint": "fp_1", "service_tier": "default"}
    whole, events = (
        completion(choice({"content": "Hi"}), **more),
        [{**chunk, **more} for chunk in chunks({"content": "Hi"})],
    )
    behaviour = says_events(events, **LIMITS) if streamed else says(whole, **LIMITS)
    assert asked(behaviour, streamed=streamed).envelope["meta"]["vendor"] == {
        "model": "m-2024",
        **more,
        "headers": TOLD,
    }


def test_a_failure_says_the_rate_limits_too(ask: Ask) -> None:
    with Vendor(lambda talk: talk.send(400, b"{}", **LIMITS)) as vendor:
        told = ask(vendor.addresses).envelope["meta"]["vendor"]
    assert told is not None and told["headers"] == TOLD


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
def test_who_answers_is_told_before_the_first_word(ask: Ask, model: str) -> None:
    def behave(talk: Conversation) -> None:
        first, *others = whole_answer(talk.dialect, ["Hi"])
        talk.begin_stream()
        talk.write(first)
        assert told.wait(20)  # the vendor says no word before that
        for event in others:
            talk.write(event)
        talk.end_stream()

    told = threading.Event()
    with Vendor(behave) as vendor:
        secrets = {**vendor.addresses, "OPENAI_API_KEY": CANARY, "ANTHROPIC_API_KEY": CANARY}
        inputs = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
        kinds = []
        for event in stream(inputs, mode="real", provider="litellm", secrets=secrets):
            kinds.append(type(event))
            if isinstance(event, VendorInfo):
                told.set()
    assert kinds.index(VendorInfo) < kinds.index(Delta)


# -- recordings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXPECTED)
def test_what_was_recorded_is_replayed_with_everything_in_it(asked: Asked, name: str) -> None:
    tape = Tape()
    real = asked(says_events(STREAMS[name], **LIMITS), tape=tape)
    (recording,), _ = tape.kept()
    replay = Recordings([Recording.load(json.loads(recording.text()))])
    config = ProviderConfig(provider="litellm", replay=replay)
    request = Request(config=config, inputs={"model": recording.model, **recording.inputs}, mode="mock")
    result = list(drive(execute(request)))[-1]
    assert isinstance(result, Result)
    assert (result.envelope["outputs"], result.envelope["usage"], result.envelope["meta"]["vendor"]) == (
        real.envelope["outputs"], real.envelope["usage"], real.envelope["meta"]["vendor"])  # fmt: skip
