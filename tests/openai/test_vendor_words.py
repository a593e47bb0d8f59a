"""Everything that a vendor says besides text, as OpenAI's unmodified client reads it: whole and streamed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import openai
import pytest

from tests.openai.asking import ASK, BLOCKS, MODEL, PNG, SOURCE, Asked, streamed_or_not, told
from tests.providers.started import CONFIG, TOKEN, starting
from tests.real.reading import STREAMS, function
from tests.real.vendor import Vendor, answers, says_events
from theoryctl_providers import Script

TOKENS = [{"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}]


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


def text_part(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": [], **more}


def message_item(*content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "status": "completed", "content": list(content)}


# -- responses --------------------------------------------------------------------------------------------------------


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


SCRIPTED = {
    "text": "Hi",
    "reasoning": "Hm.",
    "annotations": [{"url": "https://example.com"}],
    "logprobs": {"content": TOKENS},
    "usage": {"cached_input_tokens": 3, "cache_write_tokens": 2, "reasoning_tokens": 1},
}


# -- scripts ----------------------------------------------------------------------------------------------------------


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


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A client of a mock that answers by a script, and no vendor."""
    script = Script.load({"rules": [{"answers": [SCRIPTED]}]})
    config = replace(CONFIG, provider=replace(CONFIG.provider, script=script))
    with Vendor() as vendor, starting(tmp_path_factory.mktemp("log")) as start:
        with openai.OpenAI(base_url=f"http://127.0.0.1:{start(config).port}/v1", api_key=TOKEN) as client:
            yield Asked(vendor, client)
        assert vendor.requests == []
