"""Inputs that a mock refuses: those that make no sense, and those that it cannot honour."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.mock.asking import WEATHER, ask
from theoryctl_providers import ProviderError, run
from theoryctl_providers.inputs.validate import chat_schema


@pytest.mark.parametrize(
    "bad",
    [
        {"tool_choice": "required"},
        {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "get_whether"}}},
        {"tools": [{"type": "function"}]},
        {"response_format": {"type": "json_schema"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "objec"}}}},
        {"n": 0},
        {"stop": 5},
        {"messages": []},
        {"mesages": []},
        {"mode": "maybe"},
    ],
    ids=lambda bad: json.dumps(bad)[:40],
)
def test_inputs_that_make_no_sense_are_err_inputs(bad: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        run({**ask(), **bad})
    assert caught.value.code == "ERR_INPUTS"
    assert caught.value.hint


@pytest.mark.parametrize(
    "asked",
    [
        {"logprobs": True},
        {"modalities": ["text", "audio"]},
        {"audio": {"voice": "x"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"not": {}}}}},
    ],
    ids=str,
)
def test_what_a_mock_cannot_do_is_err_unsupported_param_and_not_made_up(asked: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        run(ask(**asked))
    assert caught.value.code == "ERR_UNSUPPORTED_PARAM"


NUMBERS = st.integers() | st.floats() | st.integers(0, 9).map(float)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=20) | st.sampled_from(["auto", "user"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "role", "a"]), inner),
    max_leaves=8,
)
KEYS = sorted(chat_schema()["properties"])


@given(st.dictionaries(st.sampled_from([*KEYS, "other"]), JSON, max_size=4), st.booleans())
def test_whatever_the_inputs_are_the_answer_is_an_envelope_or_one_of_two_errors(inputs: Any, complete: bool) -> None:
    try:
        envelope = run({**ask(), **inputs} if complete else inputs)
    except ProviderError as error:
        assert error.code in ("ERR_INPUTS", "ERR_UNSUPPORTED_PARAM")
    else:
        assert envelope["status"] == "success"
