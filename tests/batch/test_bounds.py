"""The most that a call can take and cost, by LiteLLM's own table: what a budget holds before it is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REF
from theoryctl.batch.cost import Bounds, CostEstimate, CostGuard, bounds_of
from theoryctl.batch.plan import Plan
from theoryctl.batch.prices import BATCHES, facts_of, price_of
from theoryctl.batch.requests import RequestMaker
from theoryctl.batch.source import open_source
from theoryctl.batch.tokens import TokenCounter
from theoryctl.errors import MaxCost
from theoryctl.requests.standard_input import StandardInput
from theoryctl_providers.contract import Attachment, ProviderConfig, Request

MODEL = "openai/gpt-4o-mini"
FACTS = facts_of(MODEL) or {}
AUDIO = "input_cost_per_audio_token"
CONFIG = ProviderConfig(provider="litellm")


def asked(content: Any = "Hi", **inputs: Any) -> Request:
    messages = [{"role": "user", "content": content}]
    return Request(config=CONFIG, inputs={"model": MODEL, "messages": messages, **inputs})


def _free_answer(model: str, content: Any) -> Bounds:
    """The bounds of a call whose answer has no token."""
    return bounds_of(asked(content, model=model, max_tokens=0), None)


def test_an_answer_is_as_long_as_the_inputs_allow_and_the_model_writes_for_each_choice() -> None:
    most = FACTS["max_output_tokens"]
    outputs = [
        bounds_of(asked(**inputs), None).output for inputs in ({}, {"max_tokens": 10}, {"max_tokens": 10 * most})
    ]
    assert outputs == [most, 10, most]
    assert bounds_of(asked(max_tokens=50, max_completion_tokens=80, n=3), None).output == 150
    assert bounds_of(asked(n=3), None).output == 3 * most


def test_a_call_costs_at_most_each_byte_in_and_each_token_out() -> None:
    bounds = bounds_of(asked("é" * 100, max_tokens=10), None)
    assert bounds.input > 200
    usd = bounds.input * FACTS["input_cost_per_token"] + 10 * FACTS["output_cost_per_token"]
    assert bounds.usd == pytest.approx(usd)


def test_an_image_and_an_attachment_count_as_the_largest_image_or_as_their_bytes() -> None:
    image = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "https://example.com/x.png"}}]
    assert bounds_of(asked(image), None).input > 50_000 > bounds_of(asked(image[:1]), None).input
    heard = _free_answer("gemini/gemini-2.5-flash", image)  # whose tokens of audio cost more than those of text
    assert (heard.usd or 0) / heard.input == pytest.approx((facts_of("gemini/gemini-2.5-flash") or {})[AUDIO])
    for size, least in ((10, 50_000), (80_000, 80_000)):
        file = Attachment(name="x", path="", digest="sha256:" + "0" * 64, media_type="image/png", size=size)
        request = Request(config=CONFIG, inputs=asked().inputs, attachments=(file,))
        assert least < bounds_of(request, None).input < least + 1000


def test_no_call_reads_more_than_the_model_does() -> None:
    assert bounds_of(asked("x" * 1_000_000), None).input == FACTS["max_input_tokens"]


def test_the_highest_price_counts_of_a_tier_a_long_prompt_and_a_cache_that_is_written() -> None:
    usual = bounds_of(asked(max_tokens=10), None).usd
    prior = bounds_of(asked(max_tokens=10, service_tier="priority"), None).usd
    assert usual is not None and prior is not None and prior > 1.5 * usual
    assert bounds_of(asked(max_tokens=10, extra_body={"service_tier": "priority"}), None).usd == pytest.approx(
        prior, rel=0.1
    )
    claude, gemini = "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-pro"
    marked = [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]
    per_byte = [(found.usd or 0) / found.input for found in (_free_answer(claude, each) for each in (marked, "x"))]
    assert per_byte == [pytest.approx(price_of(claude, 10, cached=True).input), price_of(claude, 10).input]
    assert per_byte[0] > per_byte[1]
    assert (price_of(gemini, 200_001).output or 0) > (price_of(gemini, 200_000).output or 0) > 0


def test_a_price_is_multiplied_by_the_speed_and_the_place_that_anthropic_is_asked_for() -> None:
    usual, routed = (
        bounds_of(asked("x" * 10_000, model="anthropic/claude-opus-4-8", max_tokens=10, extra_body=extra), None).usd
        for extra in ({}, {"speed": "fast", "inference_geo": "us"})
    )
    assert usual is not None and routed == pytest.approx(2.2 * usual, rel=0.02)


def test_an_estimate_counts_the_tier_and_the_cache_that_are_asked_for() -> None:
    marked = [{"type": "text", "text": "x" * 1000, "cache_control": {"type": "ephemeral"}}]
    highest = []
    for request in (
        asked("x" * 1000, max_tokens=10),
        asked("x" * 1000, max_tokens=10, service_tier="priority"),
        asked("x" * 1000, model="anthropic/claude-sonnet-4-5", max_tokens=10),
        asked(marked, model="anthropic/claude-sonnet-4-5", max_tokens=10),
    ):
        estimate = CostEstimate(None, TokenCounter())
        estimate.look(0, request)
        highest.append(estimate.cost_usd[1] or 0.0)
    assert highest[1] > 1.5 * highest[0] > 0
    assert highest[3] > 1.2 * highest[2] > 0


def test_a_batch_has_its_own_price_or_says_that_it_is_the_usual_one() -> None:
    batched, usual = price_of(MODEL, 10, tier=BATCHES), price_of(MODEL, 10)
    assert (batched.input, batched.is_usual) == (FACTS["input_cost_per_token_batches"], False)
    assert (usual.input, usual.is_usual) == (FACTS["input_cost_per_token"], False)


def test_what_nobody_knows_is_unknown_and_a_server_of_ones_own_is_free() -> None:
    unknown = bounds_of(asked(model="openai/gpt-99-unheard-of", max_tokens=10), None)
    assert (unknown.output, unknown.usd) == (10, None)
    own = bounds_of(asked(model="ollama/llama3"), None)
    assert (own.output, own.usd) == (None, 0.0)
    assert facts_of("groq/gpt-4o-mini") is None  # another vendor's price is not its own


@pytest.mark.parametrize(
    "inputs",
    [
        {"web_search_options": {}},
        {"extra_body": {"web_search_options": {}}},
        {"extra_body": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}},
        {"model": "openai/gpt-4o-search-preview"},
        {"model": "perplexity/sonar"},
    ],
    ids=str,
)
def test_nobody_knows_how_often_the_web_is_searched(inputs: dict[str, Any]) -> None:
    bounds = bounds_of(asked(max_tokens=10, **{"model": "anthropic/claude-sonnet-4-5", **inputs}), None)
    assert (bounds.output, bounds.usd, bounds.searches) == (10, None, True)


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("gemini/gemini-2.5-flash-image", "output_cost_per_image_token"),
        ("openai/gpt-audio", "output_cost_per_audio_token"),
        ("gemini/gemini-omni-1.1-flash", "output_cost_per_video_token"),
    ],
)
def test_an_answer_may_be_of_the_dearest_kind_of_tokens(model: str, price: str) -> None:
    dearest = (facts_of(model) or {})[price]
    assert dearest > (facts_of(model) or {})["output_cost_per_token"]
    one, two = (bounds_of(asked(model=model, max_tokens=tokens), None).usd or 0.0 for tokens in (1, 2))
    assert two - one == pytest.approx(dearest)


def test_what_is_paid_by_the_song_is_not_free() -> None:
    assert (facts_of("gemini/lyria-3.5") or {})["input_cost_per_token"] == 0
    assert bounds_of(asked(model="gemini/lyria-3.5", max_tokens=10), None).usd is None


def test_embeddings_write_nothing() -> None:
    model = "openai/text-embedding-3-small"
    request = Request(config=CONFIG, inputs={"model": model, "input": "Hi"}, operation="embeddings")
    bounds = bounds_of(request, None)
    assert bounds.output == 0
    assert bounds.usd == pytest.approx(bounds.input * (facts_of(model) or {})["input_cost_per_token"])


def test_a_line_alone_may_not_cost_more_than_is_left_of_a_limit(tmp_path: Path) -> None:
    usd = bounds_of(asked(max_tokens=1000), None).usd or 0.0
    (tmp_path / "lines.jsonl").write_text("")
    maker = RequestMaker(config=ProviderConfig(provider="litellm", ref=REF), mode="mock", folder=".", max_attachment=1)
    with open_source(str(tmp_path / "lines.jsonl"), StandardInput()) as source:
        guards = [CostGuard(None, most=3 * usd, spent=spent * usd) for spent in (1.9, 2.1)]
        for guard in guards:
            guard.look(0, asked(max_tokens=1000))
        guards[0].check(Plan(source, maker))
        with pytest.raises(MaxCost, match="line 1 alone"):
            guards[1].check(Plan(source, maker))
