"""Parts of answers that few vendors send: each is carried, whole and streamed, or told."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.real.conftest import LITELLM_WARNINGS, Asked, Call
from tests.real.reading import HEAD, choice, completion, last
from tests.real.vendor import says, says_events

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("short_waits")]

streamed_or_not = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
WAV = b"RIFF\x24\0\0\0WAVEfmt 0123456789"
SOUND = base64.b64encode(WAV).decode()
FACTS = {"id": "audio_1", "expires_at": 1729018505}


def heard(asked: Asked, streamed: bool, *messages: dict[str, Any], **beside: Any) -> Call:
    """The call of a vendor that says one message, or these pieces of one, and this beside the first."""
    if not streamed:
        (message,) = messages
        return asked(says(completion(choice(message, **beside))), streamed=False)
    deltas = [{"index": 0, "delta": message, "finish_reason": None} for message in messages]
    deltas[0] |= beside
    return asked(says_events([*({**HEAD, "choices": [delta]} for delta in deltas), {**HEAD, **last("stop")}]))


def output(call: Call, name: str) -> dict[str, Any]:
    assert call.envelope["error"] is None, call.envelope
    (found,) = [dict(output) for output in call.envelope["outputs"] if output["name"] == name]
    return found


@streamed_or_not
def test_speech_is_an_output_with_its_words_as_the_answer(asked: Asked, streamed: bool) -> None:
    call = heard(asked, streamed, {"content": None, "audio": {**FACTS, "data": SOUND, "transcript": "Hello."}})
    assert call.outputs["answer"] == "Hello."
    assert (output(call, "audio")["media_type"], output(call, "audio")["base64"]) == ("audio/wav", SOUND)
    assert call.outputs["audio_reference"] == FACTS


@pytest.mark.parametrize(
    "pieces",
    [[SOUND[:8], SOUND[8:]], [SOUND[:7], SOUND[7:]], [base64.b64encode(part).decode() for part in (WAV[:7], WAV[7:])]],
    ids=["apart", "cut", "padded"],
)
def test_streamed_speech_is_put_together(asked: Asked, pieces: list[str]) -> None:
    said = [{"id": "audio_1"}, {"transcript": "Hel"}, {"data": pieces[0]}, {"transcript": "lo."}, {"data": pieces[1]}]
    call = heard(asked, True, *({"audio": piece} for piece in (*said, {"expires_at": FACTS["expires_at"]})))
    assert call.outputs["answer"] == "Hello."
    assert output(call, "audio")["base64"] == SOUND
    assert call.outputs["audio_reference"] == FACTS


@streamed_or_not
def test_speech_that_is_no_base64_is_told(asked: Asked, streamed: bool) -> None:
    error = heard(asked, streamed, {"audio": {"data": "%%%%", "transcript": "Hello."}}).error
    assert (error["code"], "not in base64" in error["message"]) == ("ERR_BAD_RESPONSE", True)


@streamed_or_not
@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"ID3\4", "audio/mpeg"),
        (b"fLaC", "audio/flac"),
        (b"OggS", "audio/ogg"),
        (b"\0\1\0\1", "application/octet-stream"),
    ],
)
def test_the_media_type_of_speech_is_that_of_its_bytes(asked: Asked, streamed: bool, data: bytes, kind: str) -> None:
    call = heard(asked, streamed, {"audio": {"data": base64.b64encode(data).decode(), "transcript": ""}})
    assert output(call, "audio")["media_type"] == kind


TOKEN = {"token": "Hi", "logprob": -1}
OLDER = {
    "tokens": ["Hel", "lo"],
    "token_logprobs": [-0.5, None],
    "top_logprobs": [{"Hel": -0.5, "Hal": -1.5}, None],
    "text_offset": [0, 3],
}
IN_CHATS_FORM = [
    {
        "token": "Hel",
        "logprob": -0.5,
        "bytes": None,
        "top_logprobs": [
            {"token": "Hel", "logprob": -0.5, "bytes": None},
            {"token": "Hal", "logprob": -1.5, "bytes": None},
        ],
    },
    {"token": "lo", "logprob": None, "bytes": None, "top_logprobs": []},
]


@streamed_or_not
def test_log_probabilities_of_old_are_those_of_today(asked: Asked, streamed: bool) -> None:
    call = heard(asked, streamed, {"content": "Hello"}, logprobs=OLDER)
    assert call.outputs["logprobs"] == {"content": IN_CHATS_FORM}


@streamed_or_not
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"tokens": ["Hi"]}, {"content": [{"token": "Hi", "logprob": None, "bytes": None, "top_logprobs": []}]}),
        ([TOKEN], {"content": [TOKEN]}),
        ({"content": [TOKEN], "token_ids": [7]}, {"content": [TOKEN], "token_ids": [7]}),
    ],
    ids=["tokens alone", "list", "more"],
)  # fmt: skip
def test_no_log_probability_is_lost(asked: Asked, streamed: bool, said: Any, expected: Any) -> None:
    assert heard(asked, streamed, {"content": "Hi"}, logprobs=said).outputs["logprobs"] == expected


@streamed_or_not
@pytest.mark.parametrize(
    "image",
    [
        {"b64_json": PNG, "revised_prompt": "x"},
        {"b64_json": PNG, "url": None},
        PNG,
        f"data:image/png;base64,{PNG}",
        {"url": f"data:image/png;base64,{PNG}"},
    ],
)
def test_an_image_in_base64_is_bytes_with_their_media_type(asked: Asked, streamed: bool, image: Any) -> None:
    found = output(heard(asked, streamed, {"content": "Here.", "images": [image]}), "image")
    assert (found["media_type"], found["base64"]) == ("image/png", PNG)


@streamed_or_not
def test_an_image_at_an_address_is_that_address(asked: Asked, streamed: bool) -> None:
    found = output(heard(asked, streamed, {"content": "", "images": [{"url": "https://example.com/a.png"}]}), "image")
    assert (found["media_type"], found["text"]) == ("text/uri-list", "https://example.com/a.png")


CONTENTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "part": ({"type": "text", "text": "Hi"}, {"answer": "Hi"}),
    "text": ({"text": "Hi"}, {"answer": "Hi"}),
    "object": ({"city": "Turin"}, {"answer": '{"city": "Turin"}'}),
    "number": (5, {"answer": "5"}),
    "reasoning": ([{"type": "reasoning", "text": "Hm."}, {"text": "Hi"}], {"reasoning": "Hm.", "answer": "Hi"}),
    "unknown": (["Hi", {"type": "video", "id": 7}], {"answer": "Hi", "vendor_parts": [{"type": "video", "id": 7}]}),
    "nothing": ([{"type": "text", "text": ""}, {"type": "thinking", "thinking": []}], {"answer": ""}),
}  # fmt: skip


@streamed_or_not
@pytest.mark.parametrize(("content", "expected"), CONTENTS.values(), ids=CONTENTS)
def test_content_that_is_no_text_is_not_lost(asked: Asked, streamed: bool, content: Any, expected: Any) -> None:
    outputs = heard(asked, streamed, {"content": content}).outputs
    assert {name: value for name, value in outputs.items() if name != "finish_reason"} == expected


@streamed_or_not
def test_a_call_that_stands_in_no_list_is_one(asked: Asked, streamed: bool) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": json.dumps({"x": 1})}}
    found = heard(asked, streamed, {"content": None, "tool_calls": call}).outputs["tool_calls"]
    assert found == [{"id": "a", "name": "f", "arguments": {"x": 1}}]


@streamed_or_not
@pytest.mark.parametrize("field", ["context", "executed_tools"])
def test_fields_of_a_message_that_one_vendor_has_are_parts_of_its_own(asked: Asked, streamed: bool, field: str) -> None:
    call = heard(asked, streamed, {"content": "Hi", field: [{"x": 1}]})
    assert call.outputs["vendor_parts"] == [{field: [{"x": 1}]}]


@streamed_or_not
def test_fields_beside_the_choices_come_once(asked: Asked, streamed: bool) -> None:
    asks = {"related_questions": ["Why?"]}
    deltas = [{"index": 0, "delta": {"content": piece}, "finish_reason": None} for piece in ("H", "i")]
    stream = says_events([*({**HEAD, "choices": [delta], **asks} for delta in deltas), {**HEAD, **last("stop")}])
    whole = says(completion(choice({"content": "Hi"}), **asks))
    outputs = asked(stream if streamed else whole, streamed=streamed).outputs
    assert (outputs["answer"], outputs["vendor_parts"]) == ("Hi", [asks])


@pytest.mark.parametrize("kind", [{"object": "error"}, {"type": "error"}])
def test_a_failure_that_a_server_calls_no_error_is_told_in_its_words(asked: Asked, kind: dict[str, str]) -> None:
    begun = {**HEAD, "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}]}
    error = asked(says_events([begun, {**kind, "message": "out of memory", "code": 503}])).error
    assert (error["code"], "out of memory" in error["message"]) == ("ERR_UNAVAILABLE", True), error
