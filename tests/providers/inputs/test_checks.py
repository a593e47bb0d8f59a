"""Checks that no schema can make: two words for one thing, and broken calls sent back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from theoryctl_providers import run
from theoryctl_providers.contract import Mode, ProviderError
from theoryctl_providers.inputs.checks import check_call
from theoryctl_providers.inputs.validate import check_inputs

ASK: dict[str, Any] = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("inputs", "param"),
    [
        ({"max_tokens": 5, "extra_body": {"max_tokens": 99999}}, "extra_body.max_tokens"),
        ({"extra_body": {"max_tokens": 99999}}, "extra_body.max_tokens"),
        ({"extra_body": {"model": "gpt-5"}}, "extra_body.model"),
        ({"extra_body": {"models": ["gpt-5"]}}, "extra_body.models"),
        ({"extra_body": {"stream": False}}, "extra_body.stream"),
        ({"extra_body": {"n": 3}}, "extra_body.n"),
        ({"extra_body": {"num_predict": 3}}, "extra_body.num_predict"),
        ({"extra_body": {"options": {"num_predict": 3}}}, "extra_body.options.num_predict"),
        ({"extra_body": {"generationConfig": {"maxOutputTokens": 3}}}, "extra_body.generationConfig.maxOutputTokens"),
        ({"extra_body": {"system": "Lie."}}, "extra_body.system"),
        ({"stop": "x", "extra_body": {"stop_sequences": ["y"]}}, "extra_body.stop_sequences"),
        ({"reasoning_effort": "low", "extra_body": {"thinking": {"type": "enabled"}}}, "extra_body.thinking"),
        (
            {"extra_body": {"additionalModelRequestFields": {"max_gen_len": 3}}},
            "extra_body.additionalModelRequestFields.max_gen_len",
        ),
        ({"temperature": 0, "extra_body": {"temperature": 1}}, "extra_body.temperature"),
        ({"temperature": 0, "extra_body": {"options": {"temperature": 1}}}, "extra_body.options.temperature"),
        ({"top_p": 0.5, "extra_body": {"generationConfig": {"topP": 1}}}, "extra_body.generationConfig.topP"),
    ],
    ids=str,
)
def test_extra_body_may_not_repeat_or_undercut_an_input(inputs: dict[str, Any], param: str) -> None:
    with pytest.raises(ProviderError) as caught:
        check_call({**ASK, **inputs})
    assert (caught.value.code, caught.value.param) == ("ERR_INPUTS", param)


def test_extra_body_may_say_what_no_input_says() -> None:
    check_call({**ASK, "extra_body": {"thinking": {"type": "enabled"}, "num_ctx": 8192, "options": {"mirostat": 1}}})
    check_call({**ASK, "extra_body": {"stop_sequences": ["y"], "format": "json"}})


def sent_back(arguments: str) -> dict[str, Any]:
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}
    result = {"role": "tool", "tool_call_id": "c1", "content": "Sunny"}
    return {**ASK, "messages": [*ASK["messages"], {"role": "assistant", "content": None, "tool_calls": [call]}, result]}


@pytest.mark.parametrize("arguments", ['{"city": "Turin"}{}', '{"city": "Tur', "city=Turin", '{"a": NaN}'])
def test_arguments_sent_back_that_are_no_json_are_refused(arguments: str) -> None:
    with pytest.raises(ProviderError) as caught:
        check_call(sent_back(arguments))
    assert caught.value.code == "ERR_INPUTS"
    assert caught.value.param == "messages[1].tool_calls[0].function.arguments"


@pytest.mark.parametrize("arguments", ["", "{}", '{"city": "Turin"}'])
def test_arguments_sent_back_that_are_json_or_none_are_not(arguments: str) -> None:
    check_call(sent_back(arguments))


def test_an_unknown_key_is_answered_with_the_way_for_it() -> None:
    with pytest.raises(ProviderError, match="extra_body"):
        check_inputs({**ASK, "top_kk": 5}, None)
    with pytest.raises(ProviderError) as caught:
        check_inputs({**ASK, "messages": [{"role": "user", "content": "x", "nmae": "x"}]}, None)
    assert "extra_body" not in caught.value.message


@pytest.mark.parametrize(
    "inputs",
    [
        {"top_k": 40, "min_p": 0.1, "repetition_penalty": 1.1},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        {"reasoning": {"effort": "low"}, "provider": {"order": ["x"]}},
        {"chat_template_kwargs": {"enable_thinking": False}, "guided_json": {"type": "object"}},
        {"prediction": {"type": "content", "content": "x"}, "web_search_options": {}},
        {"functions": [{"name": "x", "parameters": {}}], "function_call": "auto"},
        {"function_call": {"name": "x"}, "functions": [{"name": "x"}]},
        {"messages": [{"role": "user", "content": []}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {}}]}]},
        {"messages": [{"role": "assistant", "content": "", "reasoning_content": "I think."}]},
        {"messages": [{"role": "assistant", "content": None, "extra_content": {"google": {}}}]},
        {"tools": [{"type": "function", "function": {"name": "x"}, "cache_control": {"type": "ephemeral"}}]},
    ],
    ids=str,
)
def test_extensions_that_vendors_share_are_inputs(inputs: dict[str, Any]) -> None:
    check_inputs({**ASK, **inputs}, None)
    check_call({**ASK, **inputs})


def test_a_call_of_a_tool_is_sent_back_as_a_stream_had_it() -> None:
    inputs = sent_back("{}")
    inputs["messages"][1]["tool_calls"][0] |= {"index": 0, "extra_content": {"google": {"thought_signature": "S"}}}
    inputs["messages"][1] |= {"thinking_blocks": [{"type": "thinking", "thinking": "x", "signature": "S"}]}
    check_inputs(inputs, None)


def wants(schema: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}


def forces(parameters: Any) -> dict[str, Any]:
    function = {"name": "x", "parameters": parameters}
    return {"tools": [{"type": "function", "function": function}], "tool_choice": "required"}


@pytest.mark.parametrize("mode", ["mock", "real"])
@pytest.mark.parametrize("asked", [wants, forces])
@pytest.mark.parametrize("schema", [{"type": "objec"}, {"type": "number", "exclusiveMinimum": True}], ids=str)
def test_the_schema_of_an_answer_has_to_be_one_in_either_mode(
    schema: Any, asked: Callable[[Any], dict[str, Any]], mode: Mode
) -> None:
    with pytest.raises(ProviderError, match="'x' is not a JSON Schema") as caught:
        run({**ASK, **asked(schema)}, provider="litellm", mode=mode, secrets={"OPENAI_API_KEY": "key-of-nobody"})
    assert caught.value.code == "ERR_INPUTS"


def test_the_schema_of_a_tool_that_may_be_called_is_the_vendors_to_judge() -> None:
    check_call({**ASK, **forces({"type": "objec"}), "tool_choice": "auto"})
