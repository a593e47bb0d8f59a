"""Failures in Anthropic's words: refusals of requests, and faults of a script as its client meets them."""

from __future__ import annotations

import http.client
import json
from dataclasses import replace
from typing import Any

import anthropic
import pytest

from tests.providers.started import CONFIG, Answer, limited, serving
from tests.wires.conftest import Instance, scripted
from tests.wires.test_anthropic import ASK, PATH, WEATHER, client_of, post, streamed_or_not


def error_of(answer: Answer) -> dict[str, Any]:
    document = json.loads(answer.body)
    assert (set(document), document["type"]) == ({"type", "error", "request_id"}, "error")
    assert set(document["error"]) == {"type", "message"}
    found: dict[str, Any] = document["error"]
    return found


@streamed_or_not
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"max_token": 5}, "unknown key 'max_token', did you mean 'max_tokens'?"),
        ({"stop_sequence": ["x"]}, "did you mean 'stop_sequences'?"),
        ({"max_completion_tokens": 5}, "unknown key 'max_completion_tokens'"),
        ({"n": 2}, "unknown key 'n'"),
        ({"max_tokens": None}, "'max_tokens' is missing"),
        ({"max_tokens": 0}, "$.max_tokens"),
        ({"messages": None}, "'messages' is missing"),
        ({"messages": []}, "$.messages"),
        ({"messages": ["x"]}, "$.messages[0]: expected an object"),
        ({"messages": [{"role": "usr", "content": "x"}]}, "$.messages[0].role"),
        ({"system": "s", "messages": [{"role": "usr", "content": "x"}]}, "$.messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "$.messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "a block of type 'video'"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file"}}]}]},
            "content[0].source",
        ),
        ({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a"}]}]}, "content[0].input"),
        ({"stop_sequences": "x" * 9, "temperature": 9}, "$.temperature"),
        ({"stop_sequences": [""]}, "$.stop_sequences[0]"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "$.tools[0]: a tool of type 'web_search"),
        ({"tools": [{"name": "a b", "input_schema": {}}]}, "$.tools[0].name"),
        ({"tools": [{"name": "ab", "input_schema": 5}]}, "$.tools[0].input_schema"),
        ({"tools": [WEATHER], "tool_choice": {"type": "required"}}, "$.tool_choice.type"),
        ({"tool_choice": {"type": "any"}}, "tool_choice asks for a tool"),
        ({"stream": "yes"}, "$.stream: expected boolean"),
        ({"metadata": "me"}, "$.metadata: expected an object"),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else "",
)
def test_a_bad_request_is_a_400_in_the_words_of_the_request(
    instance: Instance, change: dict[str, Any], said: str, streamed: bool
) -> None:
    answer = post(instance, {**ASK, **({"stream": True} if streamed else {}), **change})
    assert (answer.status, error_of(answer)["type"]) == (400, "invalid_request_error")
    assert said in error_of(answer)["message"]
    assert answer.headers["x-theoryctl-code"].startswith("ERR_")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"a": 1, "a": 2}'], ids=repr)
def test_a_body_that_is_no_json_object_is_a_400(instance: Instance, body: bytes) -> None:
    for path in (PATH, f"{PATH}/count_tokens"):
        answer = post(instance, body, path)
        assert (answer.status, error_of(answer)["type"]) == (400, "invalid_request_error")


def test_a_wrong_key_is_a_401(instance: Instance) -> None:
    for headers in ({"x_api_key": "sk-ant-of-somebody"}, {"x_api_key": ""}):
        answer = post(instance, **headers)
        assert (answer.status, error_of(answer)["type"]) == (401, "authentication_error")
        assert "the key in x-api-key is missing or wrong" in error_of(answer)["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/v1/messages/batches", 404), ("GET", "/v1/organizations", 404), ("GET", PATH, 405)],
)
def test_an_unknown_path_is_refused_in_anthropics_shape_and_says_which_wires_there_are(
    instance: Instance, method: str, path: str, status: int
) -> None:
    answer = post(instance, b"", path, method)
    assert answer.status == status
    assert "POST /v1/messages (Anthropic)" in error_of(answer)["message"]
    assert "POST /v1/chat/completions (OpenAI)" in error_of(answer)["message"]


def test_a_body_that_is_too_large_is_a_413() -> None:
    with serving(limited(body=1000)) as (port, _):
        answer = post(Instance(port), {**ASK, "system": "x" * 2000})
    assert (answer.status, error_of(answer)["type"]) == (413, "request_too_large")


def test_an_instance_that_is_full_or_about_to_stop_is_overloaded() -> None:
    with serving(limited(concurrency=0)) as (port, _):
        full = post(Instance(port))
    with serving() as (port, gate):
        gate._draining = True
        stopping = post(Instance(port))
    for answer in (full, stopping):
        assert (answer.status, error_of(answer)["type"]) == (529, "overloaded_error")
        assert (answer.headers["retry-after"], "x-should-retry" in answer.headers) == ("1", False)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 529])
def test_a_client_tries_a_scripts_failure_again_as_it_would_a_vendors(status: int) -> None:
    with serving(scripted({"rules": [{"answers": [{"fault": {"status": status}}]}]})) as (port, _):
        answer = post(Instance(port))
    assert (answer.status, "x-should-retry" in answer.headers) == (status, False)


FAULTS = {
    "rules": [
        {"when": {"user": {"equals": "busy"}}, "answers": [
            {"fault": {"status": 429, "retry_after": 0.05, "message": "slow down"}},
            {"fault": {"status": 529}},
            {"text": "at last"},
        ]},
        {"when": {"user": {"equals": "middle"}}, "answers": [
            {"chunks": [{"text": "one "}, {"text": "two"}], "fault": {"status": 529, "after": 1}},
        ]},
        {"when": {"user": {"equals": "cut"}}, "answers": [
            {"chunks": [{"text": "one "}, {"text": "two", "delay": 0.02}], "fault": {"kind": "disconnect", "after": 1}},
        ]},
        {"when": {"user": {"equals": "short"}}, "answers": [
            {"chunks": [{"text": "one "}], "fault": {"kind": "truncate", "after": 1}},
        ]},
    ]
}  # fmt: skip


def saying(text: str, **more: Any) -> dict[str, Any]:
    return {**ASK, "messages": [{"role": "user", "content": text}], **more}


def test_the_client_tries_again_as_the_vendor_tells_it_to() -> None:
    with client_of(scripted(FAULTS), max_retries=2) as client:
        assert client.messages.create(**saying("busy")).content[0].text == "at last"


def test_each_fault_is_one_of_the_clients_own_errors() -> None:
    with client_of(scripted(FAULTS)) as client:
        with pytest.raises(anthropic.RateLimitError, match="slow down") as limited:
            client.messages.create(**saying("busy"))
        assert limited.value.response.headers["retry-after-ms"] == "50"
        with pytest.raises(anthropic.InternalServerError) as overloaded:
            client.messages.create(**saying("busy"))
        assert (overloaded.value.status_code, overloaded.value.type) == (529, "overloaded_error")
        came = []
        with pytest.raises(anthropic.APIStatusError), client.messages.stream(**saying("middle")) as stream:
            for text in stream.text_stream:
                came.append(text)
        assert came == ["one "]


def test_a_cut_connection_and_a_stream_without_an_end_are_on_the_wire() -> None:
    with serving(scripted(FAULTS)) as (port, _):
        instance = Instance(port)
        with pytest.raises(http.client.IncompleteRead) as caught:
            post(instance, saying("cut", stream=True))
        assert b'"one "' in caught.value.partial
        short = post(instance, saying("short", stream=True))
        assert (short.status, b'"one "' in short.body, b"message_stop" in short.body) == (200, True, False)
        told = post(instance, saying("middle", stream=True)).body.decode().strip().split("\n\n")[-1]
    name, data = told.split("\n")
    assert (name, json.loads(data.removeprefix("data: "))["error"]["type"]) == ("event: error", "overloaded_error")


def test_an_instance_for_mocks_alone_refuses_real_requests() -> None:
    config = replace(CONFIG, provider=replace(CONFIG.provider, mock_only=True))
    with serving(config) as (port, _):
        answer = post(Instance(port), x_theoryctl_mode="real")
    assert (answer.status, answer.headers["x-theoryctl-code"]) == (400, "ERR_UNSUPPORTED_PARAM")
