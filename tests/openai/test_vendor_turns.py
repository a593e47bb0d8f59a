"""Slow and failing vendors, and the next turn, as OpenAI's unmodified client sees them."""

from __future__ import annotations

import threading
from typing import Any

import openai
import pytest

from tests.openai.asking import ASK, BLOCKS, MODEL, PNG, SOURCE, Asked, streamed_or_not, told
from tests.real.reading import STREAMS, function
from tests.real.server import Behaviour, Conversation
from tests.real.vendor import answers, fails, says_events
from theoryctl_providers import run


class Hesitant:
    """A vendor that says the first event of a stream, and no other until it is told to go on."""

    def __init__(self, *, reasons: bool) -> None:
        self.go_on = threading.Event()
        self._reasons = reasons

    def __call__(self, talk: Conversation) -> None:
        opening, *_ = talk.dialect.opening()
        talk.begin_stream()
        talk.write(opening.replace(b'"content": ""', b'"reasoning_content": "Hm."') if self._reasons else opening)
        assert self.go_on.wait(60)
        for event in (talk.dialect.text("Hi"), *talk.dialect.closing()):
            talk.write(event)
        talk.end_stream()


# -- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reasons", [False, True], ids=["begun", "reasoning"])
@pytest.mark.parametrize("path", ["chat", "responses"])
def test_a_stream_begins_when_the_vendor_does(asked: Asked, reasons: bool, path: str) -> None:
    client = asked.after(vendor := Hesitant(reasons=reasons))
    if path == "chat":
        chat = client.chat.completions.with_streaming_response
        answering = chat.create(model=MODEL, messages=ASK, stream=True)
    else:
        answering = client.responses.with_streaming_response.create(model=MODEL, input="Hi", stream=True)
    with answering as answer:
        lines = answer.iter_lines()
        told = "Hm." if reasons else '"assistant"' if path == "chat" else "response.created"
        assert any(told in line for line in lines)
        vendor.go_on.set()
        assert any('"Hi"' in line for line in lines)


def failing(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}}


# -- failures ---------------------------------------------------------------------------------------------------------


def test_the_vendors_words_parameter_and_code_are_passed_on(asked: Asked) -> None:
    vendors = failing("Unknown voice.", param="messages[0].content", code="unknown_voice")
    with pytest.raises(openai.BadRequestError, match="Unknown voice") as caught:
        asked.chat(fails(400, body=vendors), streamed=False)
    assert (caught.value.param, caught.value.code) == ("messages[0].content", "unknown_voice")
    with pytest.raises(openai.BadRequestError) as caught:
        asked.response(fails(400, body=vendors), streamed=False)
    assert (caught.value.param, caught.value.code) == ("input", "unknown_voice")


@streamed_or_not
@pytest.mark.parametrize("status", [429, 503])
def test_a_failure_that_may_pass_is_tried_again_by_the_client_alone(asked: Asked, streamed: bool, status: int) -> None:
    with pytest.raises(openai.APIStatusError):
        asked.chat(fails(status, retry_after="0.01"), streamed)
    assert len(asked.requests) == 3  # OpenAI's client makes two more attempts


@pytest.mark.parametrize(("status", "message"), [(500, "image input is not supported"), (501, "No tools here.")])
def test_what_a_vendor_cannot_do_is_asked_once(asked: Asked, status: int, message: str) -> None:
    with pytest.raises(openai.BadRequestError, match=message):
        asked.chat(fails(status, body=failing(message)), streamed=False)
    assert len(asked.requests) == 1


def test_a_vendor_that_says_not_to_try_again_is_obeyed_by_the_client(asked: Asked) -> None:
    with pytest.raises(openai.InternalServerError):
        asked.chat(fails(503, should_retry="false", retry_after="0.01"), streamed=False)
    assert len(asked.requests) == 1


def test_an_answer_that_was_paid_for_is_not_asked_for_again(asked: Asked) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        asked.chat(says_events(STREAMS["nofinish"]), streamed=False)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(asked.requests) == 1


def test_a_failure_tells_the_rate_limits_that_came_with_it(asked: Asked) -> None:
    def behave(talk: Conversation) -> None:
        talk.send(400, b"{}", x_ratelimit_remaining_tokens="7")

    with pytest.raises(openai.BadRequestError) as caught:
        asked.chat(behave, streamed=False)
    assert caught.value.response.headers["x-ratelimit-remaining-tokens"] == "7"


SIGNED = {"google": {"thought_signature": "S"}}
CALLED = function("f", "{}", index=0, id="c", extra_content=SIGNED)


def said_beside(streamed: bool) -> Behaviour:
    """An answer with everything that a client has to send back."""
    image = {"type": "image_url", "image_url": {"url": PNG}}
    more = {"reasoning_content": "Hm.", "thinking_blocks": BLOCKS, "images": [image], "annotations": [SOURCE]}
    return told({"content": "Hi", **more, **CALLED}, streamed=streamed)


def assert_sent_back(asked: Asked) -> None:
    """Look at the second message that the vendor got, which is the answer."""
    sent = asked.requests[-1].body["messages"][1]
    assert (sent["content"], sent["reasoning_content"], sent["thinking_blocks"]) in (
        ("Hi", "Hm.", BLOCKS),
        ([{"type": "text", "text": "Hi"}], "Hm.", BLOCKS),
    )
    assert sent["images"][0]["image_url"] == {"url": PNG}
    (call,) = sent["tool_calls"]
    assert (call["id"], call["extra_content"], "index" in call) == ("c", SIGNED, False)
    assert "annotations" not in sent


# -- the way back in --------------------------------------------------------------------------------------------------


@streamed_or_not
def test_a_message_goes_back_to_the_vendor_as_it_came(asked: Asked, streamed: bool) -> None:
    (choice,) = asked.chat(said_beside(streamed), streamed).choices
    result = {"role": "tool", "tool_call_id": "c", "content": ""}
    asked.chat(answers("Bye"), streamed, messages=[*ASK, choice.message, result])
    assert_sent_back(asked)


@streamed_or_not
def test_the_items_of_a_response_go_back_to_the_vendor_as_they_came(asked: Asked, streamed: bool) -> None:
    items = [item.model_dump(exclude_none=True) for item in asked.response(said_beside(streamed), streamed).output]
    result = {"type": "function_call_output", "call_id": "c", "output": ""}
    asked.response(answers("Bye"), streamed, input=[*ASK, *items, result])
    assert_sent_back(asked)


def test_reasoning_items_of_others_are_no_reason_to_refuse(asked: Asked) -> None:
    others = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAA=="}
    asked.response(answers("Bye"), streamed=False, input=[*ASK, others, {"role": "assistant", "content": "Hi"}])
    assert asked.requests[-1].body["messages"][1] == {"role": "assistant", "content": "Hi"}


EXTENSIONS: dict[str, Any] = {
    "top_k": 40,
    "min_p": 0.1,
    "repetition_penalty": 1.1,
    "reasoning": {"effort": "low"},
    "provider": {"sort": "price"},
    "chat_template_kwargs": {"enable_thinking": False},
    "guided_json": {"type": "object"},
    "prediction": {"type": "content", "content": "Hello"},
    "web_search_options": {"search_context_size": "low"},
    "functions": [{"name": "f", "parameters": {"type": "object"}}],
    "function_call": "auto",
}


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_extensions_that_vendors_share_reach_the_vendor(asked: Asked, streamed: bool) -> None:
    asked.chat(answers("Hi"), streamed, extra_body=EXTENSIONS)
    sent = asked.requests[-1].body
    assert {name: sent.get(name) for name in EXTENSIONS} == EXTENSIONS


def test_a_mock_takes_the_extensions_too_and_says_the_same_by_every_way(asked: Asked) -> None:
    inputs = {"model": f"openai/{MODEL}", "messages": ASK, **EXTENSIONS, "thinking": {"type": "enabled"}}
    mock = {"X-Theoryctl-Mode": "mock"}
    whole = asked.client.post("/chat/completions", body=inputs, cast_to=object, options={"headers": mock})
    envelope = run(inputs, provider="litellm")
    assert whole["choices"][0]["message"]["content"] == envelope["outputs"][0]["text"]
