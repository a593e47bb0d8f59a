"""The Responses API, through OpenAI's own client."""

from __future__ import annotations

import gc
import json
import weakref
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.openai.conftest import MakeClient, StartProvider
from tests.openai.test_chat import BREAKS
from theoryctl_providers.wires.openai.responses.exchange import ResponsesCall

pytestmark = pytest.mark.usefixtures("pointed")

MODEL = "gpt-4o-mini"
TOOL: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


class Person(BaseModel):
    """A structured answer."""

    name: str
    age: int


@pytest.mark.parametrize("stream", [True, False])
def test_a_call_that_is_over_holds_no_memory(stream: bool) -> None:
    call = ResponsesCall({"model": MODEL, "input": "x", "stream": stream})
    seen = weakref.ref(call)
    gc.disable()  # which a server does rarely
    try:
        del call
        assert seen() is None
    finally:
        gc.enable()


def test_it_answers_as_chat_completions_do(client: openai.OpenAI) -> None:
    response = client.responses.create(model=MODEL, input="Say hello.", instructions="Be brief.")
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello."}]
    chat = client.chat.completions.create(model=MODEL, messages=messages)
    assert response.output_text == chat.choices[0].message.content
    assert (response.status, response.model, response.instructions) == ("completed", MODEL, "Be brief.")
    assert response.usage is not None and chat.usage is not None
    assert response.usage.total_tokens == chat.usage.total_tokens


def test_items_are_the_messages_they_stand_for(client: openai.OpenAI) -> None:
    picture = "data:image/png;base64,AAAA"
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    response = client.responses.create(
        model=MODEL,
        input=[
            {
                "role": "user",
                "content": [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": picture}],
            },
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "c"},
            {"role": "user", "content": "d"},
        ],
    )
    chat = client.chat.completions.create(
        model=MODEL,
        messages=[
            {
                "role": "user",
                "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": picture}}],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "b"}], "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "c"},
            {"role": "user", "content": "d"},
        ],
    )
    assert response.output_text == chat.choices[0].message.content


def test_a_conversation_goes_on_with_what_the_answer_held(client: openai.OpenAI) -> None:
    items: list[Any] = [{"role": "user", "content": "x"}]
    asked: dict[str, Any] = {"model": MODEL, "tools": [TOOL]}
    first = client.responses.create(input=items, tool_choice="required", **asked)
    (call,) = first.output
    assert (call.type, call.name) == ("function_call", "get_weather")
    assert list(json.loads(call.arguments)) == ["city"]
    items += [*first.output, {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}]
    second = client.responses.create(input=items, **asked)
    assert second.output_text
    assert client.responses.create(
        input=[*items, *second.output, {"role": "user", "content": "y"}], **asked
    ).output_text


def test_a_stream_is_typed_numbered_and_ends_in_the_same_response(client: openai.OpenAI) -> None:
    events = list(client.responses.create(model=MODEL, input="x", stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    whole = client.responses.create(model=MODEL, input="x")
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == whole.output_text
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response == whole


def test_a_call_is_streamed_in_pieces(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": MODEL, "input": "x", "tools": [TOOL]}
    asked["tool_choice"] = {"type": "function", "name": "get_weather"}
    with client.responses.stream(**asked) as stream:
        events = list(stream)
        streamed = stream.get_final_response()
    pieces = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    (call,) = client.responses.create(**asked).output
    assert call.type == "function_call"
    assert len(pieces) > 1
    assert "".join(pieces) == call.arguments
    assert streamed.output[0].id == call.id


def test_a_structured_answer_is_parsed_streamed_or_not(client: openai.OpenAI) -> None:
    whole = client.responses.parse(model=MODEL, input="x", text_format=Person)
    assert isinstance(whole.output_parsed, Person)
    with client.responses.stream(model=MODEL, input="x", text_format=Person) as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_parsed == whole.output_parsed


def test_an_answer_that_was_cut_is_incomplete(client: openai.OpenAI) -> None:
    whole = client.responses.create(model=MODEL, input="x", max_output_tokens=3)
    assert (whole.status, whole.output[0].status) == ("incomplete", "incomplete")
    assert whole.incomplete_details is not None
    assert whole.incomplete_details.reason == "max_output_tokens"
    *_, last = client.responses.create(model=MODEL, input="x", max_output_tokens=3, stream=True)
    assert last.type == "response.incomplete"


def test_what_clients_send_along_by_default_is_taken(client: openai.OpenAI) -> None:
    response = client.responses.create(
        model=MODEL,
        input="x",
        store=False,
        include=["reasoning.encrypted_content"],
        truncation="disabled",
        service_tier="auto",
        background=False,
        parallel_tool_calls=True,
        metadata={"a": "b"},
        reasoning={"effort": "low", "summary": "auto", "mode": "standard"},
        text={"verbosity": "low"},
        temperature=0.5,
        top_p=0.5,
        user="somebody",
        prompt_cache_key="tests",
    )
    assert (response.metadata, response.temperature, response.store) == ({"a": "b"}, 0.5, False)


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_video"}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "nobody", "content": "x"}]}, "input[0].role"),
        ({"input": 1}, "input"),
        ({"tool_choice": {"type": "web_search_preview"}}, "tool_choice"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"include": ["reasoning.encrypted_content", "message.output_text.logprobs"]}, "include[1]"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"extra_body": {"n": 2}}, "n"),
        ({"extra_body": {"frobnicate": 2}}, "frobnicate"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_it_does_not_do_is_refused_by_its_name(client: openai.OpenAI, asked: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(**{"model": MODEL, "input": "x", **asked})
    assert caught.value.param == param


CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
USER = {"role": "user", "content": "x"}


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"instructions": "Be brief.", "input": [USER, {"role": "nobody", "content": "x"}]}, "input[1].role"),
        ({"instructions": 5}, "instructions"),
        ({"instructions": "Be brief.", "input": [{"role": "user", "content": 5}]}, "input[0].content"),
        ({"input": [USER, CALL, CALL, {"role": "nobody", "content": "x"}]}, "input[3].role"),
        ({"input": [USER, CALL, {**CALL, "name": 5}]}, "input[2].name"),
        ({"input": [USER, CALL, {**CALL, "call_id": 5}]}, "input[2].call_id"),
        ({"input": [USER, CALL, {"type": "function_call_output", "call_id": 5, "output": "x"}]}, "input[2].call_id"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": 5}]}]},
            "input[0].content[0].image_url",
        ),
        ({"tools": [{**TOOL, "parameters": 5}]}, "tools[0].parameters"),
        ({"tools": 5}, "tools"),
        ({"tool_choice": {"type": "function", "name": 5}}, "tool_choice.name"),
        ({"text": {"format": {"type": "json_schema", "name": "x", "schema": 5}}}, "text.format.schema"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_named_as_it_was_sent_in_param_and_message(
    client: openai.OpenAI, asked: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(**{"model": MODEL, "input": "x", **asked})
    assert caught.value.param == param
    assert "$.input" in caught.value.message or f"$.{param.partition('.')[0]}" in caught.value.message
    assert not [word for word in ("messages", "tool_calls", ".function", "json_schema") if word in caught.value.message]


def test_the_hint_names_every_value_to_set_as_it_was_sent(client: openai.OpenAI) -> None:
    odd: Any = [{"role": "nobody", "content": "x"}, {"role": "somebody", "content": "x"}]
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input=odd)
    assert "(set input[0].role to " in caught.value.message
    assert " and set input[1].role to " in caught.value.message


def test_an_answer_that_breaks_off_has_failed(start_provider: StartProvider, make_client: MakeClient) -> None:
    client = make_client(start_provider(BREAKS.replace("{suspends}", "True")), max_retries=0)
    *_, last = client.responses.create(model="m", input="x", stream=True)
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert (last.response.status, last.response.error.code) == ("failed", "server_error")
    assert "broke off" in last.response.error.message
    with pytest.raises(openai.InternalServerError):
        client.responses.create(model="m", input="x")
