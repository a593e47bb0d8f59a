"""Counts of tokens in answers that have been paid for, as no vendor could have counted them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tests.real import said
from tests.real.conftest import ANTHROPIC, CANARY, LITELLM_WARNINGS, Ask, Asked, Call
from tests.real.reading import choice, completion
from tests.real.vendor import says
from theoryctl_providers.contract import ProviderConfig, Request
from theoryctl_providers.engine import session
from theoryctl_providers.litellm.usage import usage_of

pytestmark = [
    LITELLM_WARNINGS,
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning"),
    pytest.mark.usefixtures("short_waits"),
]
streamed_or_not = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
ANY_PATH = re.compile(".*")
MOST = 2**53 - 1
CLAUDE = "anthropic/claude-sonnet-4-5"
GEMINI = "gemini/gemini-2.5-flash"
DIALECTS: dict[str, said.Dialect] = {ANTHROPIC: said.Anthropic(), GEMINI: said.Gemini()}


def answer(model: str, streamed: bool, *fields: str, count: str) -> bytes:
    """An answer of the model's vendor with this count in these fields, of which the vendor says the first anyway."""
    dialect, told = DIALECTS[model], said.Said(text=["Hello."])
    whole = b"".join(dialect.streamed(told)) if streamed else json.dumps(dialect.whole(told)).encode()
    before = f'"{fields[0]}": '.encode()
    start, found, rest = whole.partition(before + str(said.SENT).encode())
    assert found
    return start + ", ".join(f'"{field}": {count}' for field in fields).encode() + rest


def test_an_answer_that_no_count_spoils_is_priced(asked: Asked) -> None:
    details = {"cached_tokens": 2, "audio_tokens": None}
    told = {"prompt_tokens": 5, "completion_tokens": 6, "prompt_tokens_details": details, "queue_time": -9e15}
    usage = asked(says(completion(choice({"content": "Hi"}), usage=told)), streamed=False).envelope["usage"]
    assert usage["cost_usd"] == pytest.approx(3 * 0.15e-6 + 2 * 0.075e-6 + 6 * 0.6e-6)


@pytest.mark.parametrize(
    ("price", "told"),
    [
        ({}, None),
        ({"cost": 0.01}, 0.01),
        ({"cost": {"request_cost": 0.005, "total_cost": 0.005011}}, 0.005011),  # Perplexity's
        ({"cost_in_usd_ticks": 37_756_000}, 0.0037756),  # xAI's
    ],
    ids=["counted", "said", "summed", "ticks"],
)
@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        ("openai/gpt-4o-mini", {"web_search_options": {}}),
        ("openai/gpt-4o-mini", {"extra_body": {"web_search_options": {}}}),
        ("openai/gpt-4o-search-preview", {}),
    ],
    ids=["asked", "asked beside", "always"],
)
def test_a_search_of_the_web_has_a_price_that_only_the_vendor_knows(
    asked: Asked, price: dict[str, Any], told: float | None, model: str, inputs: dict[str, Any]
) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 6, **price}
    by = says(completion(choice({"content": "Hi"}), usage=usage))
    found = asked(by, model, streamed=False, **inputs).envelope["usage"]
    assert (found["input_tokens"], found["cost_usd"]) == (5, told)


@streamed_or_not
@pytest.mark.parametrize("searched", [0, 3])
def test_searches_that_a_vendor_counts_have_no_price_of_tokens(
    ask: Ask, httpserver: HTTPServer, searched: int, streamed: bool
) -> None:
    kind = "text/event-stream" if streamed else "application/json"
    field = f'"server_tool_use": {{"web_search_requests": {searched}}}, "input_tokens"'.encode()
    body = answer(ANTHROPIC, streamed, "input_tokens", count=str(said.SENT)).replace(b'"input_tokens"', field)
    httpserver.expect_request(ANY_PATH).respond_with_data(body, content_type=kind)
    call = ask({"ANTHROPIC_API_BASE": httpserver.url_for("").rstrip("/")}, CLAUDE, streamed=streamed)
    usage = call.envelope["usage"]
    assert (usage["input_tokens"], usage["cost_usd"] is None) == (said.SENT, searched > 0)


def test_an_answer_that_is_paid_by_the_song_is_not_free(ask: Ask, httpserver: HTTPServer) -> None:
    body = answer(GEMINI, False, "promptTokenCount", count="5")
    httpserver.expect_request(ANY_PATH).respond_with_data(body, content_type="application/json")
    secrets = {"GEMINI_API_BASE": httpserver.url_for("").rstrip("/"), "GEMINI_API_KEY": CANARY}
    usage = ask(secrets, "gemini/lyria-3.5", streamed=False).envelope["usage"]
    assert (usage["input_tokens"], usage["cost_usd"]) == (5, None)


@streamed_or_not
def test_nobody_knows_the_cost_of_a_model_that_litellm_makes_up_an_entry_for(
    ask: Ask, httpserver: HTTPServer, streamed: bool
) -> None:
    dialect, told = said.OpenAI(), said.Said(text=["Hello."])
    body = b"".join(dialect.streamed(told)) if streamed else json.dumps(dialect.whole(told)).encode()
    kind = "text/event-stream" if streamed else "application/json"
    httpserver.expect_request(ANY_PATH).respond_with_data(body, content_type=kind)
    secrets = {"OPENAI_API_BASE": httpserver.url_for("").rstrip("/")}
    usage = ask(secrets, "openai/gpt-9", streamed=streamed).envelope["usage"]
    assert (usage["input_tokens"], usage["cost_usd"]) == (said.SENT, None)


@pytest.mark.usefixtures("litellm")
@pytest.mark.parametrize(
    ("model", "sent", "got", "usd"),
    [
        ("openai/gpt-9", 5, 6, None),
        ("huggingface/acme/one", 5, 6, None),  # LiteLLM takes 0 for all of them
        ("github_copilot/gpt-4o", 5, 6, None),  # is in the list, without prices
        ("bedrock/twelvelabs.pegasus-1-2-v1:0", 5, 6, None),  # the list has the price of the output alone
        ("bedrock/twelvelabs.pegasus-1-2-v1:0", 0, 6, 6 * 7.5e-6),
        ("openai/text-embedding-3-small", 5, 0, 5 * 2e-8),
        ("hosted_vllm/acme/one", 5, 6, 0.0),
        ("ollama_chat/llama3.2", 5, 6, 0.0),
    ],
)
def test_a_price_that_the_list_does_not_state_is_unknown(model: str, sent: int, got: int, usd: float | None) -> None:
    counted = {"prompt_tokens": sent, "completion_tokens": got, "total_tokens": sent + got}
    assert usage_of(model, counted, counted).cost_usd == (None if usd is None else pytest.approx(usd))


def test_an_answer_that_cites_the_web_was_searched_for(asked: Asked) -> None:
    cited = [{"type": "url_citation", "url_citation": {"url": "https://example.com"}}]
    for message, is_priced in (({"content": "Hi"}, True), ({"content": "Hi", "annotations": cited}, False)):
        by = says(completion(choice(message), usage={"prompt_tokens": 5, "completion_tokens": 6}))
        assert (asked(by, streamed=False).envelope["usage"]["cost_usd"] is not None) == is_priced


@pytest.mark.parametrize("cached", [2**62, -7, float("inf"), MOST + 1, "2"])
def test_no_price_is_made_from_a_count_that_is_none(asked: Asked, cached: object) -> None:
    told = {"prompt_tokens": 5, "completion_tokens": 6, "prompt_tokens_details": {"cached_tokens": cached}}
    usage = asked(says(completion(choice({"content": "Hi"}), usage=told)), streamed=False).envelope["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (5, 6)
    assert (usage["cached_input_tokens"], usage["cost_usd"]) == (None, None)


@pytest.mark.parametrize(("count", "told"), [(MOST, MOST), (MOST + 1, None)])
def test_the_largest_count_is_the_largest_exact_number_of_json(asked: Asked, count: int, told: int | None) -> None:
    usage = {"prompt_tokens": count, "completion_tokens": 6}
    document = completion(choice({"content": "Hi"}), usage=usage)
    assert asked(says(document), streamed=False).envelope["usage"]["input_tokens"] == told


@streamed_or_not
@pytest.mark.parametrize("count", ["1e999", "-1e999", "NaN", "-3", "true", '"7"'])
@pytest.mark.parametrize(
    ("model", "field", "cached"),
    [
        (ANTHROPIC, "input_tokens", "cache_read_input_tokens"),
        (GEMINI, "promptTokenCount", "cachedContentTokenCount"),
    ],
    ids=["anthropic", "gemini"],
)
def test_a_count_that_is_none_is_unknown_and_the_answer_stays(
    ask: Ask, httpserver: HTTPServer, model: str, field: str, cached: str, count: str, streamed: bool
) -> None:
    kind = "text/event-stream" if streamed else "application/json"
    body = answer(model, streamed, field, cached, count=count)
    httpserver.expect_request(ANY_PATH).respond_with_data(body, content_type=kind)
    url = httpserver.url_for("").rstrip("/")
    secrets = {"ANTHROPIC_API_BASE": url, "GEMINI_API_BASE": url, "GEMINI_API_KEY": CANARY}
    call = ask(secrets, model, streamed=streamed)
    usage = call.envelope["usage"]
    assert call.outputs["answer"] == "Hello."
    assert usage["output_tokens"] == said.RECEIVED
    assert (usage["input_tokens"], usage["cached_input_tokens"], usage["cost_usd"]) == (None, None, None)


@streamed_or_not
def test_a_part_of_a_token_is_left_out(ask: Ask, httpserver: HTTPServer, streamed: bool) -> None:
    kind = "text/event-stream" if streamed else "application/json"
    body = answer(ANTHROPIC, streamed, "input_tokens", "cache_read_input_tokens", count="5.7")
    httpserver.expect_request(ANY_PATH).respond_with_data(body, content_type=kind)
    call = ask({"ANTHROPIC_API_BASE": httpserver.url_for("").rstrip("/")}, ANTHROPIC, streamed=streamed)
    usage = call.envelope["usage"]
    assert (usage["input_tokens"], usage["cached_input_tokens"]) == (10, 5)


@pytest.mark.usefixtures("litellm", "only_loopback", "foreign_variables")
@pytest.mark.parametrize("count", ["1e999", "-3", str(2**62)])
def test_embeddings_stay_whatever_is_counted(httpserver: HTTPServer, count: str) -> None:
    body = (
        '{"object": "list", "model": "m", "data": [{"index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": %s}}'
    )
    httpserver.expect_request("/v1/embeddings").respond_with_data(body % count, content_type="application/json")
    secrets = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": httpserver.url_for("/v1")}
    config = ProviderConfig(provider="litellm", secrets=secrets)
    inputs = {"model": "openai/text-embedding-3-small", "input": "x"}
    asked = Request(config=config, inputs=inputs, mode="real", operation="embeddings")
    call = Call(list(session.ask(asked)), 0)
    assert call.outputs == {"embeddings": [[0.5]]}
    told = call.envelope["usage"]
    assert (told["input_tokens"], told["cost_usd"]) == (None, None)


AUDIO = {
    "messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}]
}
PICTURE = {"url": "data:image/png;base64,iVBORw0KGgo="}
IMAGE = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": PICTURE}]}]}
SPOKEN = {"content": None, "audio": {"id": "audio_1", "data": "", "transcript": "Hi", "expires_at": 1}}


@pytest.mark.parametrize(
    ("model", "inputs", "message", "details", "usd"),
    [
        ("openai/gpt-audio", AUDIO, {"content": "Hi"}, {}, None),
        ("openai/gpt-audio", AUDIO, {"content": "Hi"}, {"prompt": {"audio_tokens": 4}}, 1 * 2.5e-6 + 4 * 32e-6 + 6e-5),
        ("openai/gpt-audio", {}, {"content": "Hi", **SPOKEN}, {}, None),
        ("openai/gpt-audio", {}, {"content": "Hi"}, {}, 5 * 2.5e-6 + 6e-5),
        (
            "openai/gpt-4o-mini",
            IMAGE,
            {"content": "Hi"},
            {},
            5 * 0.15e-6 + 6 * 0.6e-6,
        ),  # an image has the price of text
    ],
    ids=["heard", "heard and split", "spoken", "text", "seen"],
)
def test_audio_has_a_price_of_its_own_that_nobody_knows_where_its_tokens_are_not_told_apart(
    asked: Asked, model: str, inputs: Any, message: Any, details: Any, usd: float | None
) -> None:
    split = {f"{side}_tokens_details": told for side, told in details.items()}
    by = says(completion(choice(message), usage={"prompt_tokens": 5, "completion_tokens": 6, **split}))
    found = asked(by, model, streamed=False, **inputs).envelope["usage"]
    assert (found["input_tokens"], found["output_tokens"]) == (5, 6)
    assert found["cost_usd"] == (None if usd is None else pytest.approx(usd))
