"""Chat completions, through OpenAI's own client and nothing else."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.openai.conftest import MakeClient, StartProvider
from theoryctl_providers import run

pytestmark = pytest.mark.usefixtures("pointed")

MODEL = "gpt-4o-mini"
ASK = [{"role": "user", "content": "Say hello."}]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


class Person(BaseModel):
    """A structured answer."""

    name: str
    age: int
    tags: list[str]


def embedded(**inputs: Any) -> dict[str, Any]:
    """The outputs of the same inputs without any server."""
    envelope = run({"model": f"openai/{MODEL}", "messages": ASK, **inputs}, provider="litellm")
    outputs = {output["name"]: output.get("text", output.get("json")) for output in envelope["outputs"]}
    return {**outputs, "usage": envelope["usage"]}


def test_an_answer_is_what_the_embedded_provider_says(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=ASK)
    expected = embedded()
    assert answer.choices[0].message.content == expected["answer"]
    assert (answer.choices[0].finish_reason, answer.model) == (expected["finish_reason"], MODEL)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == expected["usage"]["input_tokens"]
    assert answer.usage.completion_tokens == expected["usage"]["output_tokens"]
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_the_same_question_gets_the_same_bytes_and_another_gets_others(client: openai.OpenAI) -> None:
    def raw(**more: Any) -> bytes:
        return bytes(client.chat.completions.with_raw_response.create(model=MODEL, messages=ASK, **more).content)

    assert raw() == raw()
    assert raw() != raw(seed=1)
    assert json.loads(raw())["id"] != json.loads(raw(seed=1))["id"]


def test_a_stream_says_the_same_piece_by_piece(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model=MODEL, messages=ASK, stream=True))
    whole = client.chat.completions.create(model=MODEL, messages=ASK)
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks]
    assert len(pieces) > 4
    assert "".join(pieces) == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert {chunk.id for chunk in chunks} == {whole.id}
    assert all(chunk.usage is None for chunk in chunks)


def test_a_stream_ends_with_the_usage_where_it_is_asked_for(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(model=MODEL, messages=ASK, stream=True, stream_options={"include_usage": True})
    )
    whole = client.chat.completions.create(model=MODEL, messages=ASK)
    assert (chunks[-1].choices, chunks[-1].usage) == ([], whole.usage)


def test_the_asynchronous_client_gets_many_answers_at_once() -> None:
    async def ask() -> list[str | None]:
        async with openai.AsyncOpenAI() as client:

            async def streamed(number: int) -> str:
                ask = [{"role": "user", "content": f"number {number}"}]
                stream = await client.chat.completions.create(model=MODEL, messages=ask, stream=True)
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

            return list(await asyncio.gather(*(streamed(number) for number in range(20))))

    assert [f'"number {number}"' in (text or "") for number, text in enumerate(asyncio.run(ask()))] == [True] * 20


def test_a_tool_is_called_as_its_schema_wants_it_and_its_result_is_taken(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": MODEL, "tools": [TOOL]}
    first = client.chat.completions.create(messages=ASK, tool_choice="required", **asked).choices[0]
    assert first.finish_reason == "tool_calls"
    assert first.message.tool_calls is not None
    (call,) = first.message.tool_calls
    assert (call.type, call.function.name) == ("function", "get_weather")
    assert set(json.loads(call.function.arguments)) == {"city", "days"}
    messages = [*ASK, first.message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    assert client.chat.completions.create(messages=messages, **asked).choices[0].message.content


def test_a_tool_call_is_streamed_in_pieces_that_make_the_same_call(client: openai.OpenAI) -> None:
    named = {"type": "function", "function": {"name": "get_weather"}}
    asked: dict[str, Any] = {"model": MODEL, "messages": ASK, "tools": [TOOL], "tool_choice": named}
    with client.chat.completions.stream(**asked) as stream:
        kinds = [event.type for event in stream]
        streamed = stream.get_final_completion().choices[0].message
    whole = client.chat.completions.create(**asked).choices[0].message
    assert kinds.count("tool_calls.function.arguments.delta") > 1
    assert streamed.tool_calls is not None and whole.tool_calls is not None
    for each in (streamed.tool_calls[0], whole.tool_calls[0]):
        assert each.function.arguments == json.dumps(
            embedded(tools=[TOOL], tool_choice=named)["tool_calls"][0]["arguments"]
        )
    assert streamed.tool_calls[0].id == whole.tool_calls[0].id


def test_a_structured_answer_is_parsed_into_a_model_streamed_or_not(client: openai.OpenAI) -> None:
    whole = client.chat.completions.parse(model=MODEL, messages=ASK, response_format=Person)
    assert isinstance(whole.choices[0].message.parsed, Person)
    with client.chat.completions.stream(model=MODEL, messages=ASK, response_format=Person) as stream:
        streamed = stream.get_final_completion()
    assert streamed.choices[0].message.parsed == whole.choices[0].message.parsed


def test_a_json_object_is_one(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=ASK, response_format={"type": "json_object"})
    assert list(json.loads(answer.choices[0].message.content or "")) == ["answer"]


def test_several_choices_come_side_by_side_streamed_or_not(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model=MODEL, messages=ASK, n=3)
    texts = [choice.message.content for choice in whole.choices]
    assert len(set(texts)) == 3
    streamed = {0: "", 1: "", 2: ""}
    for chunk in client.chat.completions.create(model=MODEL, messages=ASK, n=3, stream=True):
        for choice in chunk.choices:
            streamed[choice.index] += choice.delta.content or ""
    assert list(streamed.values()) == texts


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_an_answer_ends_at_its_limit_and_says_so(client: openai.OpenAI, limit: str) -> None:
    asked: dict[str, Any] = {"model": MODEL, "messages": ASK, limit: 3}
    answer = client.chat.completions.create(**asked)
    assert (answer.choices[0].finish_reason, answer.usage and answer.usage.completion_tokens) == ("length", 3)


def test_an_answer_ends_before_a_stop_sequence(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=ASK, stop=[" from"])
    assert (answer.choices[0].message.content or "").count(" ") == 2


def test_what_clients_send_along_by_default_changes_nothing(client: openai.OpenAI) -> None:
    plain = client.chat.completions.create(model=MODEL, messages=ASK)
    dressed = client.chat.completions.create(
        model=MODEL,
        messages=ASK,
        store=False,
        service_tier="auto",
        prompt_cache_key="tests",
        safety_identifier="somebody",
        stop=None,
        temperature=None,
        stream=False,
    )
    assert dressed == plain


def test_parameters_of_the_inputs_are_taken(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=ASK,
        user="somebody",
        seed=7,
        metadata={"a": "b"},
        parallel_tool_calls=True,
        tools=[TOOL],
        temperature=0.5,
        top_p=0.9,
        presence_penalty=1,
        frequency_penalty=1,
        logit_bias={"1": -100},
        reasoning_effort="low",
        verbosity="low",
    )
    assert answer.choices[0].message.content


def test_text_comes_back_as_it_went_whatever_is_in_it(client: openai.OpenAI) -> None:
    said = 'é\u2028\u0085"\\ 🙂 </s>'
    whole = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": said}])
    stream = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": said}], stream=True)
    assert f'"{said}"' in (whole.choices[0].message.content or "")
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == whole.choices[0].message.content


def test_models_are_listed_and_found_by_any_name_in_mock_mode(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["openai/gpt-4o-mini"]
    assert client.models.retrieve("gpt-4.1").id == "gpt-4.1"
    assert client.models.retrieve("openai/gpt-4.1").owned_by == "openai"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4.1", extra_headers={"X-Theoryctl-Mode": "real"})


BUSY = '''\
from theoryctl_providers import LLMProvider, ProviderError
from theoryctl_providers.contract import Delta, Finish

class Provider(LLMProvider):
    """Takes the third call; before, it says when to come back."""

    calls = 0

    async def stream(self, request):
        Provider.calls += 1
        if Provider.calls % 3:
            raise ProviderError("ERR_RATE_LIMITED", "too many requests", hint="wait", retry_after=0.05)
        yield Delta(text=f"call {Provider.calls}")
        yield Finish()
'''


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_the_client_waits_as_told_and_tries_again(
    start_provider: StartProvider, make_client: MakeClient, stream: bool
) -> None:
    client = make_client(start_provider(BUSY))
    if stream:
        chunks = client.chat.completions.create(model="m", messages=ASK, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "call 3"
    else:
        assert client.chat.completions.create(model="m", messages=ASK).choices[0].message.content == "call 3"


def test_a_client_that_does_not_try_again_gets_the_failure_with_its_time(
    start_provider: StartProvider, make_client: MakeClient
) -> None:
    client = make_client(start_provider(BUSY), max_retries=0)
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="m", messages=ASK)
    assert caught.value.response.headers["retry-after"] == "1"
    assert caught.value.response.headers["retry-after-ms"] == "50"
    assert (caught.value.code, caught.value.type) == ("rate_limit_exceeded", "requests")


BREAKS = '''\
from theoryctl_providers import LLMProvider, ProviderError
from theoryctl_providers.contract import Delta

class Provider(LLMProvider):
    """Breaks off after two words."""

    suspends_in_mock = {suspends}

    async def stream(self, request):
        yield Delta(text="one ")
        yield Delta(text="two ")
        raise ProviderError("ERR_BAD_RESPONSE", "the answer broke off", hint="try again")
'''


@pytest.mark.parametrize("suspends", [False, True])
def test_an_answer_that_breaks_off_is_raised_by_the_client_after_what_came(
    start_provider: StartProvider, make_client: MakeClient, suspends: bool
) -> None:
    client = make_client(start_provider(BREAKS.replace("{suspends}", str(suspends))), max_retries=0)
    came = []
    with pytest.raises(openai.APIError, match="the answer broke off"):
        for chunk in client.chat.completions.create(model="m", messages=ASK, stream=True):
            came.append(chunk.choices[0].delta.content or "")
    assert came == ["", "one ", "two "]
    with pytest.raises(openai.InternalServerError, match="the answer broke off"):
        client.chat.completions.create(model="m", messages=ASK)
