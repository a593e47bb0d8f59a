"""Calls that vendors bill for more than their tokens."""

from __future__ import annotations

from typing import Any

import pytest

from theoryctl_providers.litellm.charges import searches, tells_of_searches

MODEL = "openai/gpt-4o-mini"
FUNCTION = {"type": "function", "function": {"name": "web_search", "parameters": {}}}


@pytest.mark.parametrize(
    "model",
    [
        *("openai/gpt-4o-search-preview", "gpt-4o-mini-search-preview-2025-03-11", "openai/gpt-5-search-api"),
        *("perplexity/sonar", "sonar-reasoning-pro", "vercel_ai_gateway/perplexity/sonar", "perplexity/pplx-7b-online"),
        *("openrouter/openai/gpt-4o:online", "groq/compound-beta", "openai/o3-deep-research"),
    ],
)
def test_a_model_that_always_searches_is_billed_for_it_though_nobody_asks(model: str) -> None:
    assert searches(model, {})


@pytest.mark.parametrize(
    "model",
    [
        *(MODEL, "openai/gpt-4o", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash", "perplexity/r1-1776"),
        *("nebius/NousResearch/Hermes-4-70B", "openai/gpt-rosalind-research", "ollama/deep-research"),
    ],
)
def test_a_model_that_can_search_and_is_not_asked_to_has_the_price_of_its_tokens(model: str) -> None:
    assert not searches(model, {"messages": [{"role": "user", "content": "web_search"}], "tools": [FUNCTION]})


@pytest.mark.parametrize(
    "asked",
    [
        {"web_search_options": {}},
        {"tools": [FUNCTION, {"type": "web_search_20250305", "name": "web_search"}]},
        {"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]},
        {"tools": [{"googleSearch": {}}]},
        {"tools": [{"functionDeclarations": [], "googleMaps": {}}]},
        {"tools": [{"type": "builtin_function", "function": {"name": "$web_search"}}]},
        {"tools": [{"type": ["web_search"]}]},
        {"plugins": [{"id": "web"}]},
        {"search_parameters": {"mode": "auto"}},
        {"enable_search": True},
        {"mcp_servers": [{"type": "url", "url": "https://example.com", "name": "x"}]},
        {"connectors": [{"id": "web-search"}]},
    ],
    ids=str,
)
def test_what_a_vendor_runs_is_billed_wherever_it_is_asked_for(asked: dict[str, Any]) -> None:
    assert searches(MODEL, asked)
    assert searches(MODEL, {"extra_body": asked})
    assert not searches("hosted_vllm/qwen", {"extra_body": asked})  # one's own server


@pytest.mark.parametrize(
    "asked",
    [
        {"venice_parameters": {"enable_web_search": "on"}},
        {"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]}},
    ],
    ids=str,
)
def test_objects_of_extra_body_are_looked_into(asked: dict[str, Any]) -> None:
    assert searches(MODEL, {"extra_body": asked})


@pytest.mark.parametrize(
    "asked",
    [
        {"web_search_options": None},
        {"tools": None},
        {"tools": [{"type": "custom", "name": "x"}, {"name": "x", "input_schema": {}}, {"cachePoint": {}}]},
        {"tools": [{"type": "bash_20250124"}, {"type": "text_editor_20250728"}, {"type": "computer_20250124"}]},
        {"tools": [{"functionDeclarations": [{"name": "googleSearch"}]}]},
        {"plugins": []},
        {"search_parameters": {"mode": "off"}},
        {"enable_search": False},
        {"use_beam_search": True},
    ],
    ids=str,
)
def test_what_the_caller_runs_or_turns_off_is_not_billed(asked: dict[str, Any]) -> None:
    assert not searches(MODEL, asked)
    assert not searches(MODEL, {"extra_body": asked})


@pytest.mark.parametrize(
    "counts",
    [
        {"server_tool_use": {"web_search_requests": 3}},
        {"prompt_tokens_details": {"web_search_requests": 1}},
        {"prompt_tokens_details": {"google_maps_grounding_requests": 1}},
        {"server_side_tool_usage_details": {"web_search_calls": 0, "x_search_calls": 2}},
        {"num_sources_used": 4},
        {"num_search_queries": 1},
        {"billed_units": [{"search_units": 1}]},
    ],
    ids=str,
)
def test_usage_tells_of_what_was_searched(counts: dict[str, Any]) -> None:
    assert tells_of_searches({"input_tokens": 5, **counts})


@pytest.mark.parametrize(
    "counts",
    [
        {"server_tool_use": {"web_search_requests": 0, "web_fetch_requests": None}},
        {"num_sources_used": 0, "search_context_size": "low"},
        {"cost_details": {"research": 1}, "prompt_tokens_details": {"cached_tokens": 4}},
    ],
    ids=str,
)
def test_usage_without_a_search_tells_of_none(counts: dict[str, Any]) -> None:
    assert not tells_of_searches({"input_tokens": 5, **counts})
