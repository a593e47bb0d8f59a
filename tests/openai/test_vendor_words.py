"""Everything that a vendor says besides text, as OpenAI's unmodified client reads it: whole and streamed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import openai
import pytest

from tests.providers.started import CONFIG, TOKEN, real, starting
from tests.real.test_reading import STREAMS, chunks, completion, function
from tests.real.test_reading import choice as choice_of
from tests.real.vendor import Behaviour, Conversation, Received, Vendor, answers, fails, says, says_events
from theoryctl_providers import Script, run

ASK: list[Any] = [{"role": "user", "content": "Say hello."}]
MODEL = "gpt-4o-mini"
SOURCE = {"type": "url_citation", "url_citation": {"url": "https://example.com"}}
TOKENS = [{"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}]
BLOCKS = [{"type": "thinking", "thinking": "Hm.", "signature": "S"}]
PNG = "data:image/png;base64,iVBORw0KGgo="

streamed_or_not = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])


class Asked:
    """A client of a real instance, and the vendor behind that, which says what a test tells it to."""

    def __init__(self, vendor: Vendor, client: openai.OpenAI) -> None:
        self._vendor, self.client = vendor, client
        self.says: Behaviour = answers()
        self._before = 0

    @property
    def requests(self) -> list[Received]:
        """Those that the vendor got for the last question."""
        return self._vendor.requests[self._before :]

    def after(self, says: Behaviour) -> openai.OpenAI:
        """The client, once the vendor knows what to say."""
        self.says, self._before = says, len(self._vendor.requests)
        return self.client

    def chat(self, says: Behaviour, streamed: bool, **more: Any) -> Any:
        """The completion; one that is streamed is put together by OpenAI's own code."""
        create = self.after(says).chat.completions
        asked: dict[str, Any] = {"model": MODEL, "messages": ASK, **more}
        if not streamed:
            return create.create(**asked)
        with create.stream(**asked, stream_options={"include_usage": True}) as stream:
            return stream.get_final_completion()

    def message(self, says: Behaviour, streamed: bool, **more: Any) -> dict[str, Any]:
        """What is said in the message of the only choice."""
        (choice,) = self.chat(says, streamed, **more).choices
        said: dict[str, Any] = choice.message.model_dump(exclude_none=True)
        return said

    def response(self, says: Behaviour, streamed: bool, **more: Any) -> Any:
        """The response, which OpenAI's own code checks against the events before it."""
        responses = self.after(says).responses
        asked: dict[str, Any] = {"model": MODEL, "input": "Say hello.", **more}
        if not streamed:
            return responses.create(**asked)
        with responses.stream(**asked) as stream:
            return stream.get_final_response()

    def items(self, says: Behaviour, streamed: bool, **more: Any) -> list[dict[str, Any]]:
        """The items of a response, without their ids, and without the field that the client's parser adds to texts."""
        items = [item.model_dump(exclude_unset=True) for item in self.response(says, streamed, **more).output]
        for part in [part for item in items for part in item.get("content") or ()]:
            part.pop("parsed", None)
        assert len({item.pop("id") for item in items}) == len(items)
        return items

    def kinds(self, says: Behaviour) -> list[str]:
        """The types of a response's events, each once, in their order."""
        events = self.after(says).responses.create(model=MODEL, input="Say hello.", stream=True)
        return list(dict.fromkeys(event.type.removeprefix("response.") for event in events))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    asked: list[Asked] = []
    with Vendor(lambda talk: asked[0].says(talk)) as vendor, starting(tmp_path_factory.mktemp("log")) as start:
        url = f"http://127.0.0.1:{start(real(vendor)).port}/v1"
        with openai.OpenAI(base_url=url, api_key=TOKEN) as client:
            asked.append(Asked(vendor, client))
            yield asked[0]


@pytest.fixture
def asked(running: Asked) -> Asked:
    return running


def told(message: dict[str, Any], *, streamed: bool, **more: Any) -> Behaviour:
    """An answer that says this message, in the form that was asked for; `more` goes to the choice."""
    if not streamed:
        return says(completion(choice_of(message, **more)))
    events = chunks(message)
    events[0]["choices"][0].update(more)
    return says_events(events)


# -- chat completions -------------------------------------------------------------------------------------------------


@streamed_or_not
def test_reasoning_stands_beside_the_content(asked: Asked, streamed: bool) -> None:
    message = asked.message(says_events(STREAMS["reasoning"]), streamed)
    assert message == {"role": "assistant", "content": "42", "reasoning_content": "Let me think. Done."}


@streamed_or_not
def test_a_refusal_is_one_and_no_content(asked: Asked, streamed: bool) -> None:
    message = asked.message(says_events(STREAMS["refusal"]), streamed)
    assert message == {"role": "assistant", "refusal": "I can't help with that."}
    assert len(asked.requests) == 1


@streamed_or_not
def test_an_empty_answer_is_an_empty_text(asked: Asked, streamed: bool) -> None:
    assert asked.message(says_events(STREAMS["emptystop"]), streamed) == {"role": "assistant", "content": ""}


@streamed_or_not
def test_sources_are_annotations(asked: Asked, streamed: bool) -> None:
    second = {"type": "url_citation", "url_citation": {"url": "https://example.org"}}
    message = asked.message(told({"content": "See", "annotations": [SOURCE, second]}, streamed=streamed), streamed)
    assert message == {"role": "assistant", "content": "See", "annotations": [SOURCE, second]}


@streamed_or_not
def test_an_image_is_an_image(asked: Asked, streamed: bool) -> None:
    message = asked.message(says_events(STREAMS["images"]), streamed)
    image = {"type": "image_url", "image_url": {"url": PNG}, "index": 0}
    assert message == {"role": "assistant", "images": [image]}


@streamed_or_not
@pytest.mark.parametrize("name", ["thinking_blocks", "reasoning_details"])
def test_blocks_that_have_to_go_back_are_there(asked: Asked, streamed: bool, name: str) -> None:
    message = asked.message(told({"content": "4", name: BLOCKS}, streamed=streamed), streamed)
    assert message == {"role": "assistant", "content": "4", name: BLOCKS}


@streamed_or_not
def test_a_call_keeps_what_the_vendor_wants_back_with_it(asked: Asked, streamed: bool) -> None:
    signed = {"google": {"thought_signature": "S"}}
    call = function("f", "{}", index=0, id="c", extra_content=signed)
    (found,) = asked.message(told({"content": None, **call}, streamed=streamed), streamed)["tool_calls"]
    assert (found["id"], found["extra_content"]) == ("c", signed)


@streamed_or_not
def test_log_probabilities_are_those_of_the_vendor(asked: Asked, streamed: bool) -> None:
    answer = told({"content": "Hi"}, streamed=streamed, logprobs={"content": TOKENS})
    (choice,) = asked.chat(answer, streamed, logprobs=True, top_logprobs=1).choices
    assert choice.logprobs.model_dump() == {"content": TOKENS, "refusal": None}
    assert asked.requests[0].body["top_logprobs"] == 1


@streamed_or_not
def test_who_really_answered_and_details_of_usage_are_told(asked: Asked, streamed: bool) -> None:
    facts = {"system_fingerprint": "fp_1", "service_tier": "flex"}
    completion = asked.chat(says_events([{**event, **facts} for event in STREAMS["reasoning"]]), streamed)
    assert (completion.model, completion.system_fingerprint, completion.service_tier) == ("m-2024", "fp_1", "flex")
    assert completion.usage.prompt_tokens_details.model_dump(exclude_unset=True) == {"cached_tokens": 16}
    assert completion.usage.completion_tokens_details.model_dump(exclude_unset=True) == {"reasoning_tokens": 25}


@streamed_or_not
def test_usage_that_nobody_said_is_null_and_so_are_details(asked: Asked, streamed: bool) -> None:
    assert asked.chat(told({"content": "Hi"}, streamed=streamed), streamed).usage is None
    usage = asked.chat(says_events(STREAMS["usage0"]), streamed).usage.model_dump(exclude_unset=True)
    assert usage == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


@streamed_or_not
def test_rate_limits_are_headers_as_the_vendor_names_them(asked: Asked, streamed: bool) -> None:
    limits = {"x-ratelimit-remaining-requests": "99", "x-ratelimit-reset-requests": "1s"}
    headers = {name.replace("-", "_"): value for name, value in limits.items()}
    create = asked.after(says_events(STREAMS["usage0"], **headers)).chat.completions.with_raw_response.create
    answer = create(model=MODEL, messages=ASK, stream=streamed)
    answer.http_response.read()
    assert {name: answer.headers.get(name) for name in limits} == limits


# -- responses --------------------------------------------------------------------------------------------------------


def text_part(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": [], **more}


def message_item(*content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "status": "completed", "content": list(content)}


@streamed_or_not
def test_reasoning_is_an_item_before_the_message(asked: Asked, streamed: bool) -> None:
    reasoning, message = asked.items(says_events(STREAMS["reasoning"]), streamed)
    content = [{"type": "reasoning_text", "text": "Let me think. Done."}]
    assert reasoning == {"type": "reasoning", "summary": [], "status": "completed", "content": content}
    assert message == message_item(text_part("42"))


@streamed_or_not
def test_a_refusal_is_a_part_of_the_message(asked: Asked, streamed: bool) -> None:
    refusal = {"type": "refusal", "refusal": "I can't help with that."}
    assert asked.items(says_events(STREAMS["refusal"]), streamed) == [message_item(refusal)]


@streamed_or_not
def test_sources_are_annotations_of_the_text_with_null_for_what_nobody_said(asked: Asked, streamed: bool) -> None:
    (message,) = asked.items(says_events(STREAMS["citations"]), streamed)
    unsaid = {"title": None, "start_index": None, "end_index": None}
    source = {"type": "url_citation", **unsaid, "url": "https://example.com"}
    assert message == message_item(text_part("See [1]", annotations=[source]))


@streamed_or_not
def test_an_image_is_an_item(asked: Asked, streamed: bool) -> None:
    (image,) = asked.items(says_events(STREAMS["images"]), streamed)
    told = {"result": "iVBORw0KGgo=", "output_format": "png"}
    assert image == {"type": "image_generation_call", "status": "completed", **told}


@streamed_or_not
@pytest.mark.parametrize("more", [{"top_logprobs": 1}, {"include": ["message.output_text.logprobs"]}], ids=str)
def test_log_probabilities_belong_to_the_text(asked: Asked, streamed: bool, more: dict[str, Any]) -> None:
    answer = told({"content": "Hi"}, streamed=streamed, logprobs={"content": TOKENS})
    assert asked.items(answer, streamed, **more) == [message_item(text_part("Hi", logprobs=TOKENS))]
    assert asked.requests[0].body["logprobs"] is True


@streamed_or_not
def test_details_of_usage_are_the_vendors_and_null_where_it_said_none(asked: Asked, streamed: bool) -> None:
    usage = asked.response(says_events(STREAMS["reasoning"]), streamed).usage
    assert usage.input_tokens_details.to_dict() == {"cached_tokens": 16}
    assert usage.output_tokens_details.to_dict() == {"reasoning_tokens": 25}
    unsaid = asked.response(says_events(STREAMS["usage0"]), streamed).usage
    assert (unsaid.input_tokens, unsaid.output_tokens) == (0, 0)
    assert (unsaid.input_tokens_details, unsaid.output_tokens_details) == (None, None)


@streamed_or_not
def test_a_response_names_the_model_that_answered(asked: Asked, streamed: bool) -> None:
    response = asked.response(says_events([{**each, "service_tier": "flex"} for each in STREAMS["usage0"]]), streamed)
    assert (response.model, response.service_tier) == ("m-2024", "flex")


def test_each_kind_of_words_has_its_events(asked: Asked) -> None:
    reasoning = asked.kinds(says_events(STREAMS["reasoning"]))
    assert reasoning[2:6] == [
        "output_item.added", "content_part.added", "reasoning_text.delta", "output_text.delta"]  # fmt: skip
    assert "reasoning_text.done" in reasoning
    assert {"refusal.delta", "refusal.done"} <= set(asked.kinds(says_events(STREAMS["refusal"])))
    assert "output_text.annotation.added" in asked.kinds(says_events(STREAMS["citations"]))
    assert "image_generation_call.completed" in asked.kinds(says_events(STREAMS["images"]))


# -- time -------------------------------------------------------------------------------------------------------------

PAUSE = 1.0


def says_slowly(*events: bytes) -> Behaviour:
    """The first event at once, the others after a pause."""

    def behave(talk: Conversation) -> None:
        talk.begin_stream()
        talk.write(events[0])
        time.sleep(PAUSE)
        for event in (*events[1:], *talk.dialect.closing()):
            talk.write(event)
        talk.end_stream()

    return behave


def slow(talk: Conversation) -> None:
    says_slowly(*talk.dialect.opening(), talk.dialect.text("Hi"))(talk)


def reasoning_then_slow(talk: Conversation) -> None:
    opening, *_ = talk.dialect.opening()
    says_slowly(opening.replace(b'"content": ""', b'"reasoning_content": "Hm."'), talk.dialect.text("Hi"))(talk)


@pytest.mark.parametrize("behaviour", [slow, reasoning_then_slow], ids=["begun", "reasoning"])
@pytest.mark.parametrize("path", ["chat", "responses"])
def test_a_stream_begins_when_the_vendor_does(asked: Asked, behaviour: Behaviour, path: str) -> None:
    client, begun = asked.after(behaviour), time.monotonic()
    if path == "chat":
        chat = client.chat.completions.with_streaming_response
        answering = chat.create(model=MODEL, messages=ASK, stream=True)
    else:
        answering = client.responses.with_streaming_response.create(model=MODEL, input="Hi", stream=True)
    with answering as answer:
        lines = answer.iter_lines()
        told = "Hm." if behaviour is reasoning_then_slow else '"assistant"' if path == "chat" else "response.created"
        assert any(told in line for line in lines)
        assert time.monotonic() - begun < PAUSE / 2
        assert any('"Hi"' in line for line in lines)
    assert time.monotonic() - begun >= PAUSE


# -- failures ---------------------------------------------------------------------------------------------------------


def failing(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}}


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


# -- the way back in --------------------------------------------------------------------------------------------------

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


# -- scripts ----------------------------------------------------------------------------------------------------------

SCRIPTED = {
    "text": "Hi",
    "reasoning": "Hm.",
    "annotations": [{"url": "https://example.com"}],
    "logprobs": {"content": TOKENS},
    "usage": {"cached_input_tokens": 3, "cache_write_tokens": 2, "reasoning_tokens": 1},
}


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A client of a mock that answers by a script, and no vendor."""
    script = Script.load({"rules": [{"answers": [SCRIPTED]}]})
    config = replace(CONFIG, provider=replace(CONFIG.provider, script=script))
    with Vendor() as vendor, starting(tmp_path_factory.mktemp("log")) as start:
        with openai.OpenAI(base_url=f"http://127.0.0.1:{start(config).port}/v1", api_key=TOKEN) as client:
            yield Asked(vendor, client)
        assert vendor.requests == []


@streamed_or_not
def test_a_script_says_all_of_it_in_a_completion(scripted: Asked, streamed: bool) -> None:
    completion = scripted.chat(answers(), streamed, logprobs=True)
    (choice,) = completion.choices
    assert (choice.message.content, choice.message.reasoning_content) == ("Hi", "Hm.")
    assert choice.message.annotations[0].url_citation.url == "https://example.com"
    assert choice.logprobs.content[0].logprob == -0.1
    details = completion.usage.prompt_tokens_details
    assert (details.cached_tokens, details.cache_write_tokens) == (3, 2)
    assert completion.usage.completion_tokens_details.reasoning_tokens == 1


@streamed_or_not
def test_a_script_says_all_of_it_in_a_response(scripted: Asked, streamed: bool) -> None:
    response = scripted.response(answers(), streamed, include=["message.output_text.logprobs"])
    reasoning, message = response.output
    assert (reasoning.content[0].text, message.content[0].text) == ("Hm.", "Hi")
    assert message.content[0].annotations[0].url == "https://example.com"
    assert message.content[0].logprobs[0].logprob == -0.1
    assert response.usage.input_tokens_details.cached_tokens == 3
