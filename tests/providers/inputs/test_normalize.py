"""Inputs before validation: one body means the same to Python, to a command and to every wire."""

from __future__ import annotations

from typing import Any

import pytest

from theoryctl_providers import ProviderConfig, Request, execute, run
from theoryctl_providers.contract import Envelope, ProviderError, Result
from theoryctl_providers.engine.drive import drive
from theoryctl_providers.inputs.normalize import normalized

SAID = [{"role": "user", "content": "Say hello."}]
ASK: dict[str, Any] = {"model": "openai/gpt-4o-mini", "messages": SAID}
WHO: dict[str, Any] = {
    "user": "me",
    "metadata": {"team": "a"},
    "safety_identifier": "somebody",
    "prompt_cache_key": "tests",
    "service_tier": "flex",
    "store": True,
}


def answer(inputs: dict[str, Any]) -> Any:
    return run(inputs, provider="litellm")["outputs"]


@pytest.mark.parametrize("nulls", [{"tools": None}, {"max_tokens": None, "model": None}, {"functions": None}], ids=str)
def test_a_null_parameter_is_unset(nulls: dict[str, Any]) -> None:
    plain = {key: value for key, value in ASK.items() if key not in nulls}
    assert answer({**ASK, **nulls}) == answer(plain)


def test_a_null_that_the_schema_declares_stays() -> None:
    schema = {"properties": {"seed": {"type": ["integer", "null"]}, "top": {"type": "integer"}}}
    assert normalized({"seed": None, "top": None}, schema) == {"seed": None}


def test_a_message_that_came_out_of_an_answer_may_go_back_in_as_it_is() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    said = {"role": "assistant", "content": None, "tool_calls": [call]}
    echoed = {**said, "refusal": None, "annotations": [], "audio": None, "function_call": None, "name": None}
    assert answer({**ASK, "messages": [*SAID, echoed]}) == answer({**ASK, "messages": [*SAID, said]})


@pytest.mark.parametrize("name", WHO)
def test_what_is_about_the_caller_changes_no_answer_of_a_mock(name: str) -> None:
    assert answer({**ASK, name: WHO[name]}) == answer(ASK)


@pytest.mark.parametrize("bad", [{"user": 5}, {"metadata": {"a": 1}}, {"store": "yes"}], ids=str)
def test_what_is_about_the_caller_is_checked_all_the_same(bad: dict[str, Any]) -> None:
    with pytest.raises(ProviderError, match=f"\\$.{next(iter(bad))}"):
        run({**ASK, **bad}, provider="litellm")


def test_a_closed_schema_need_not_declare_what_is_about_the_caller_and_an_open_one_passes_it_on() -> None:
    closed = {"additionalProperties": False, "properties": {"user": {"type": "string"}}}
    assert normalized(WHO, closed) == {"user": "me"}
    assert normalized(WHO, {}) == WHO


def test_a_typo_is_an_error_whatever_is_about_the_caller() -> None:
    with pytest.raises(ProviderError, match="unknown key 'usr', did you mean 'user'"):
        run({**ASK, "usr": "me"}, provider="litellm")


def test_a_mock_answers_to_a_model_without_a_vendor_as_to_the_default_models_vendor() -> None:
    envelope = run({"model": "gpt-4o-mini", "messages": SAID}, provider="litellm")
    assert (envelope["model"], envelope["outputs"]) == ("openai/gpt-4o-mini", answer(ASK))
    assert run({"model": "gpt-4o-mini", "messages": SAID})["model"] == "gpt-4o-mini"


def test_a_wire_says_its_vendor() -> None:
    assert of_wire("acme")["model"] == "acme/gpt-4o-mini"
    assert of_wire(None)["model"] == "openai/gpt-4o-mini"


def of_wire(vendor: str | None) -> Envelope:
    config = ProviderConfig(provider="litellm")
    return ask(Request(config=config, inputs={"model": "gpt-4o-mini", "messages": SAID}, vendor=vendor))


def ask(request: Request) -> Envelope:
    *_, result = drive(execute(request))
    assert isinstance(result, Result)
    return result.envelope


def test_what_openais_client_parses_changes_nothing() -> None:
    function = {"name": "f", "arguments": "{}"}
    said = {"role": "assistant", "content": "{}", "tool_calls": [{"id": "c", "type": "function", "function": function}]}
    call = {"id": "c", "type": "function", "function": {**function, "parsed_arguments": {}}}
    parsed = {**said, "parsed": {}, "tool_calls": [call]}
    assert answer({**ASK, "messages": [*SAID, parsed]}) == answer({**ASK, "messages": [*SAID, said]})


def test_the_place_of_a_call_in_its_stream_changes_nothing() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    said = {"role": "assistant", "content": "", "tool_calls": [call]}
    placed = {**said, "tool_calls": [{**call, "index": 0}]}
    assert answer({**ASK, "messages": [*SAID, placed]}) == answer({**ASK, "messages": [*SAID, said]})


#: What answers have beside their text, which clients send back with it.
SAID_BESIDE: dict[str, Any] = {
    "reasoning_content": "Hm.",
    "reasoning": "Hm.",
    "reasoning_details": [{"type": "reasoning.encrypted", "data": "x", "index": 0}],
    "thinking_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": "S"}],
    "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}],
    "extra_content": {"google": {"thought_signature": "S"}},
    "cache_control": {"type": "ephemeral"},
}


@pytest.mark.parametrize("name", SAID_BESIDE)
def test_what_an_answer_says_beside_its_text_may_go_back_in(name: str) -> None:
    said = {"role": "assistant", "content": "", name: SAID_BESIDE[name]}
    assert answer({**ASK, "messages": [*SAID, said]})
