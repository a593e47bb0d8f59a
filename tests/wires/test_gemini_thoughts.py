"""Thoughts in Gemini's API, and the rest of a configuration that Gemini alone knows, on their way to a vendor."""

from __future__ import annotations

from typing import Any

import pytest

from theoryctl_providers.wires.gemini.generate import Asked

THOUGHTS: Any = (
    {"includeThoughts": True},
    {"includeThoughts": False},
    {"includeThoughts": True, "thinkingBudget": -1},
    {"thinkingBudget": -1},
    {"thinkingBudget": 0},
    {"thinkingBudget": 100},
    {"includeThoughts": False, "thinkingBudget": 100},
    {"thinkingLevel": "LOW"},
    {"includeThoughts": True, "thinkingLevel": "HIGH"},
)


def inputs_of(model: str, config: Any, **more: Any) -> dict[str, Any]:
    inputs = Asked(model, {"contents": "Hi.", "generationConfig": config, **more}).inputs
    return {name: value for name, value in inputs.items() if name not in ("model", "messages")}


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini/gemini-3-pro", "vertex_ai/gemini-2.5-pro"])
@pytest.mark.parametrize("thinking", THOUGHTS, ids=str)
def test_a_model_of_geminis_gets_all_that_is_said_of_thoughts(model: str, thinking: Any) -> None:
    assert inputs_of(model, {"thinkingConfig": thinking}) == {
        "extra_body": {"generationConfig": {"thinkingConfig": thinking}}
    }


@pytest.mark.parametrize("model", ["anthropic/claude-x", "vertex_ai/claude-x", "openrouter/google/gemini-2.5-pro"])
def test_a_model_of_another_vendor_gets_its_own_words_for_thoughts(model: str) -> None:
    def told(**thinking: Any) -> dict[str, Any]:
        return inputs_of(model, {"thinkingConfig": thinking})

    assert told(includeThoughts=True, thinkingBudget=100) == {"thinking": {"type": "enabled", "budget_tokens": 100}}
    assert told(thinkingLevel="LOW") == {"reasoning_effort": "low"}
    assert told(thinkingLevel="THINKING_LEVEL_UNSPECIFIED") == told()
    assert told(thinkingBudget=0) == {"reasoning_effort": "none"}
    assert told(thinkingBudget=-1) == {}
    shown = {"extra_body": {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}}
    assert told(includeThoughts=True) == told(includeThoughts=True, thinkingBudget=-1) == shown


def test_names_with_underscores_are_the_same_and_nulls_are_unset() -> None:
    given = {"thinking_config": {"include_thoughts": True, "thinking_budget": None}, "media_resolution": None}
    wanted = {"thinkingConfig": {"includeThoughts": True}}
    assert inputs_of("m", given) == {"extra_body": {"generationConfig": wanted}}
    assert inputs_of("m", {"thinkingConfig": {"thinkingBudget": None}, "topK": 4}) == {"top_k": 4}


def test_a_configuration_in_extra_body_joins_the_other() -> None:
    config = {"mediaResolution": "MEDIA_RESOLUTION_LOW", "thinkingConfig": {"includeThoughts": True}, "topP": 0.5}
    extra = {"generationConfig": {"audioTimestamp": True}, "other": 1}
    own = {name: config[name] for name in ("mediaResolution", "thinkingConfig")}
    wanted = {"generationConfig": {**own, "audioTimestamp": True}, "other": 1, "labels": {"a": "b"}}
    assert inputs_of("m", config, extra_body=extra, labels={"a": "b"}) == {"top_p": 0.5, "extra_body": wanted}
