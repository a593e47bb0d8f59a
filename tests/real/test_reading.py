"""A vendor's answer as it comes out: streamed and whole, once, with nothing lost and nothing invented."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tests.conftest import NO_DETAILS
from tests.real.conftest import CANARY, LITELLM_WARNINGS, Ask, Asked
from tests.real.reading import CALLS, EXPECTED, HEAD, STREAMS, TIME, choice, chunks, completion, last
from tests.real.server import Conversation
from tests.real.vendor import Vendor, says, says_events

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("short_waits")]
FAILURES = {"nofinish": "ERR_BAD_RESPONSE", "orerror": "ERR_UNAVAILABLE"}
DETAILS = {"cached_input_tokens": 16, "cache_write_tokens": None, "reasoning_tokens": 25}


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


@pytest.mark.parametrize("packed", ["iVBORw0KGgo", "iVBO\nRw0K\r\nGgo=\n"], ids=["unpadded", "lines"])
def test_an_image_is_read_however_its_base64_is_laid_out(asked: Asked, packed: str) -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{packed}"}}
    assert asked(says_events(chunks({"images": [image]}))).outputs["image"] == "iVBORw0KGgo="


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


@pytest.mark.parametrize("number", ["-Infinity", "NaN", "-1e999"])
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_a_number_that_json_has_no_word_for_is_unknown_and_the_answer_stays(
    asked: Asked, number: str, streamed: bool
) -> None:
    # Python's json writes a probability of 0 so, and servers are written in it.
    events = chunks({"content": "Hi"})
    events[0]["choices"][0]["logprobs"] = {"content": [{"token": "Hi", "logprob": 0.5}]}
    whole = completion(choice({"content": "Hi"}, logprobs=events[0]["choices"][0]["logprobs"]))
    said = "".join(f"data: {json.dumps(event)}\n\n" for event in events) if streamed else json.dumps(whole)
    body = said.replace("0.5", number).encode()
    call = asked(lambda talk: talk.send(200, body), logprobs=True, streamed=streamed)
    assert call.outputs["answer"] == "Hi"
    assert call.outputs["logprobs"] == {"content": [{"token": "Hi", "logprob": None}]}


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


@pytest.mark.parametrize("cut", [1, 2, 100])
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_a_byte_order_mark_before_an_answer_is_no_part_of_it(asked: Asked, cut: int, streamed: bool) -> None:
    events = "".join(f"data: {json.dumps(each)}\n\n" for each in STREAMS["citations"])
    data = b"\xef\xbb\xbf" + events.encode()
    call = asked(lambda talk: talk.stream([data[:cut], data[cut:]]), streamed=streamed)
    assert call.outputs == EXPECTED["citations"]


def test_an_answer_that_breaks_off_before_its_first_piece_was_paid_for_all_the_same(asked: Asked) -> None:
    def behave(talk: Conversation) -> None:
        talk.begin_stream()
        talk.write(talk.dialect.opening()[0])
        talk.hang_up(reset=True)

    assert asked(behave).error["code"] == "ERR_BAD_RESPONSE"


def test_a_whole_answer_on_several_lines_is_one_document(asked: Asked) -> None:
    text = json.dumps(completion(choice({"content": "Hi"})), indent=2).encode()
    assert asked(lambda talk: talk.send(200, text)).outputs["answer"] == "Hi"
