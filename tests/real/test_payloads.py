"""Requests as they reach a vendor: addresses, keys, parameters, tools and attachments in each vendor's own form."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request as Received
from werkzeug import Response

from tests.real.conftest import (
    ANSWERS,
    ANTHROPIC,
    CANARY,
    LITELLM_WARNINGS,
    OLLAMA,
    OPENAI,
    Ask,
    Sent,
    addresses,
    only_question,
)
from tests.real.dialects import OpenAI

pytestmark = LITELLM_WARNINGS

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a town.",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
    },
}

# -- addresses and keys -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "path", "header", "value"),
    [
        pytest.param(OPENAI, "/v1/chat/completions", "Authorization", f"Bearer {CANARY}", id="openai"),
        pytest.param(ANTHROPIC, "/v1/messages", "X-Api-Key", CANARY, id="anthropic"),
        pytest.param(OLLAMA, "/api/chat", "Authorization", None, id="ollama"),
    ],
)
def test_each_vendor_is_called_at_its_own_path_with_its_own_key(
    ask: Ask, vendors: HTTPServer, model: str, path: str, header: str, value: str | None
) -> None:
    assert ask(addresses(vendors, model), model).outputs == {"answer": "Hi", "finish_reason": "stop"}
    request = only_question(vendors)
    assert request.path == path
    assert request.headers.get(header) == value


@pytest.mark.parametrize("name", ["ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE"])
def test_anthropics_own_variables_lead_to_its_gateway(ask: Ask, vendors: HTTPServer, name: str) -> None:
    assert ask({name: vendors.url_for("").rstrip("/")}, ANTHROPIC).outputs["answer"] == "Hi"


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
def test_the_address_of_ollama_is_nothing_to_other_vendors(ask: Ask, vendors: HTTPServer, model: str) -> None:
    closed = {"LLM_API_BASE": "http://127.0.0.1:9/v1"}
    assert ask({**addresses(vendors), **closed}, model).outputs["answer"] == "Hi"


def test_an_address_of_one_call_is_forgotten_in_the_next(ask: Ask, vendors: HTTPServer) -> None:
    closed = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    assert ask(closed, timeout=0.5).envelope["status"] == "error"
    assert ask(addresses(vendors)).outputs["answer"] == "Hi"


# -- parameters -------------------------------------------------------------------------------------------------------


def test_openai_gets_the_inputs_as_they_are_and_is_asked_for_usage(sent: Sent) -> None:
    inputs = {
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi ✓"}],
        "temperature": 0.5,
        "max_completion_tokens": 7,
        "stop": ["\n"],
        "seed": 3,
        "tools": [TOOL],
        "tool_choice": "auto",
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
    }
    body = sent(**inputs)
    assert {key: body[key] for key in inputs} == inputs
    assert body["model"] == "gpt-4o-mini"
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}


CALLER: dict[str, Any] = {
    "prompt_cache_key": "tests",
    "prompt_cache_options": {"scope": "org"},
    "prompt_cache_retention": "24h",
    "safety_identifier": "somebody",
    "service_tier": "flex",
    "store": True,
    "user": "me",
}


def test_what_is_about_the_caller_reaches_openai(sent: Sent) -> None:
    body = sent(**CALLER, metadata={"team": "a"})
    assert {name: body.get(name) for name in CALLER} == CALLER


def test_another_vendor_is_not_sent_what_openai_alone_knows(sent: Sent) -> None:
    body = sent(ANTHROPIC, **{name: value for name, value in CALLER.items() if name != "user"})
    assert CALLER.keys() & body.keys() == set()


def test_what_the_caller_gave_is_as_it_was_after_the_call(sent: Sent) -> None:
    metadata, tools = {"team": "a"}, [deepcopy(TOOL)]
    sent(metadata=metadata, tools=tools)
    assert (metadata, tools) == ({"team": "a"}, [TOOL])


def test_nothing_is_sent_that_was_not_asked_for(sent: Sent) -> None:
    assert sent(mode="real").keys() == {"model", "messages", "stream", "stream_options"}


@pytest.mark.parametrize("asked", [{"audio": {"voice": "alloy", "format": "wav"}}, {"modalities": ["audio"]}], ids=str)
def test_what_an_answer_could_not_carry_is_refused_unasked(
    ask: Ask, vendors: HTTPServer, asked: dict[str, Any]
) -> None:
    error = ask(addresses(vendors), **asked).error
    assert (error["code"], vendors.log) == ("ERR_UNSUPPORTED_PARAM", [])


def test_log_probabilities_are_asked_for(sent: Sent) -> None:
    body = sent(logprobs=True, top_logprobs=2)
    assert (body["logprobs"], body["top_logprobs"]) == (True, 2)


def test_anthropic_gets_its_own_vocabulary(sent: Sent) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    body = sent(ANTHROPIC, messages=messages, max_tokens=7, tools=[TOOL], stop="END")
    assert body["system"] == [{"type": "text", "text": "Be brief."}]
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert (body["max_tokens"], body["stop_sequences"], body["stream"]) == (7, ["END"], True)
    (tool,) = body["tools"]
    assert (tool["name"], tool["input_schema"]["required"]) == ("weather", ["town"])


def test_ollama_gets_a_chat_and_not_one_flat_prompt(sent: Sent) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    body = sent(OLLAMA, messages=messages)
    got = [(message["role"], message["content"]) for message in body["messages"]]
    assert got == [("system", "Be brief."), ("user", "Hi")]
    assert (body["model"], body["stream"]) == ("llama3.2", True)


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC, "ollama/never-heard-of"])
def test_no_server_but_the_vendor_is_called_and_for_nothing_but_the_answer(
    ask: Ask, vendors: HTTPServer, only_loopback: set[tuple[str, int]], model: str
) -> None:
    ask(addresses(vendors, OLLAMA if model.startswith("ollama") else model), model)
    assert only_loopback <= {("127.0.0.1", vendors.port)}  # none, where a connection of another test is open
    assert len(vendors.log) == 1


# -- extensions and extra_body ----------------------------------------------------------------------------------------


def test_openai_gets_extra_body_and_extensions_at_the_top_beside_the_rest(sent: Sent) -> None:
    extra = {"transforms": ["middle-out"], "nested": {"a": 1}}
    given = {
        "top_k": 40,
        "min_p": 0.1,
        "chat_template_kwargs": {"enable_thinking": False},
        "provider": {"sort": "price"},
    }
    body = sent(temperature=0.5, **given, extra_body=extra)
    assert {name: body.get(name) for name in (*given, *extra)} == {**given, **extra}
    assert (body["temperature"], "extra_body" in body) == (0.5, False)


def test_anthropic_gets_extra_body_and_extensions_at_the_top_beside_the_rest(sent: Sent) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    extra = {"thinking": thinking, "container": "c1", "metadata": {"user_id": "a-user"}}
    body = sent(ANTHROPIC, max_tokens=2048, top_k=40, extra_body=extra)
    assert {name: body[name] for name in (*extra, "top_k")} == {**extra, "top_k": 40}
    assert (body["max_tokens"], "extra_body" in body) == (2048, False)


def test_ollama_gets_options_among_the_options_and_the_rest_beside_them(sent: Sent) -> None:
    extra = {"num_ctx": 8192, "options": {"mirostat": 1}, "keep_alive": "5m", "think": False}
    body = sent(OLLAMA, temperature=0.5, top_k=40, max_tokens=9, extra_body=extra)
    options = {"temperature": 0.5, "num_ctx": 8192, "mirostat": 1, "top_k": 40, "num_predict": 9}
    assert {name: body["options"].get(name) for name in options} == options
    assert (body["keep_alive"], body["think"]) == ("5m", False)
    assert "keep_alive" not in body["options"]


def test_thinking_and_its_signature_go_back_to_anthropic_as_they_came(sent: Sent) -> None:
    block = {"type": "thinking", "thinking": "x", "signature": "S"}
    cached = {"type": "text", "text": "policy", "cache_control": {"type": "ephemeral"}}
    call = {"id": "toolu_0", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": [cached]},
        {"role": "user", "content": "w"},
        {"role": "assistant", "content": "I look.", "thinking_blocks": [block], "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "toolu_0", "content": "Sunny"},
    ]
    tools = [{**TOOL, "cache_control": {"type": "ephemeral"}}]
    body = sent("anthropic/claude-sonnet-4-5-20250929", messages=messages, tools=tools, reasoning_effort="low")
    assert body["system"] == [cached]
    assert block in body["messages"][1]["content"]
    assert body["tools"][0]["cache_control"] == {"type": "ephemeral"}


def test_the_index_of_a_call_is_not_sent_back_and_its_reasoning_is(sent: Sent) -> None:
    call = {"id": "c1", "index": 0, "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    assistant = {"role": "assistant", "content": "", "reasoning_content": "I look.", "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": "c1", "content": "Sunny"}
    messages = [{"role": "user", "content": "w"}, assistant, result]
    body = sent("deepseek/deepseek-reasoner", messages=messages)
    assert body["messages"][1]["reasoning_content"] == "I look."
    assert "index" not in body["messages"][1]["tool_calls"][0]


def test_broken_arguments_sent_back_are_refused_before_any_call(ask: Ask, vendors: HTTPServer) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Turin"}{}'}}
    assistant = {"role": "assistant", "content": None, "tool_calls": [call]}
    messages = [{"role": "user", "content": "w"}, assistant, {"role": "tool", "tool_call_id": "c1", "content": "x"}]
    for model in (OPENAI, OLLAMA):
        assert ask(addresses(vendors), model, messages=messages).error["code"] == "ERR_INPUTS"
    assert vendors.log == []


# -- tool calls -------------------------------------------------------------------------------------------------------


def test_a_tool_call_in_pieces_becomes_one_output(ask: Ask, httpserver: HTTPServer) -> None:
    dialect = OpenAI()
    events = [
        dialect.tool_call(index=0, id="call_1", type="function", function={"name": "weather", "arguments": ""}),
        dialect.tool_call(index=0, function={"arguments": '{"town": "Os'}),
        dialect.tool_call(index=0, function={"arguments": 'lo"}'}),
        *dialect.closing("tool_calls"),
    ]
    httpserver.expect_request("/v1/chat/completions").respond_with_data(
        b"".join(events), content_type="text/event-stream"
    )
    outputs = ask(addresses(httpserver), tools=[TOOL]).outputs
    assert outputs["tool_calls"] == [{"id": "call_1", "name": "weather", "arguments": {"town": "Oslo"}}]
    assert outputs["finish_reason"] == "tool_calls"
    assert "answer" not in outputs


# -- requests are counted ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC, OLLAMA], ids=["openai", "anthropic", "ollama"])
@pytest.mark.parametrize(("status", "requests"), [(500, 3), (429, 3), (400, 1), (401, 1)])
def test_litellm_and_the_vendors_sdks_retry_nothing_themselves(
    ask: Ask, httpserver: HTTPServer, short_waits: None, model: str, status: int, requests: int
) -> None:
    def refuse(_: Received) -> Response:
        return Response(json.dumps({"error": {"message": "no"}}), status=status, content_type="application/json")

    for path in ANSWERS:
        httpserver.expect_request(path).respond_with_handler(refuse)
    ask(addresses(httpserver, model), model)
    assert len(httpserver.log) == requests
