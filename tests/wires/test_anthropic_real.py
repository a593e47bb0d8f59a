"""Anthropic's client behind a real instance: what vendors say comes whole, and what it sends back goes whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import pytest

from tests.providers.started import TOKEN, serving
from tests.real import said
from tests.real.conftest import CANARY, LITELLM_WARNINGS
from tests.real.said import Said
from tests.real.server import Behaviour
from tests.real.test_reading_calls import ANTHROPICS_USAGE, REDACTED, THINKING, anthropic_events
from tests.real.vendor import Vendor, fails, fails_midway, says, says_events
from tests.wires.asked import PDF, PNG
from tests.wires.conftest import real_config, tells

pytestmark = LITELLM_WARNINGS

CLAUDE, GPT = "claude-sonnet-4-20250514", "openai/gpt-4o-mini"
WEATHER = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
ANSWER = Said(text=("Let me ", "look."), reasoning="Hm.", calls=[("get_weather", {"city": "Forlì"})])

streamed_or_not = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


class Asked:
    """A client of a real instance, and the vendor behind that, which says what a test tells it to."""

    def __init__(self, vendor: Vendor, client: anthropic.Anthropic) -> None:
        self._vendor, self.client = vendor, client
        self.says: Behaviour = tells(ANSWER)
        self.before = 0

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """Those of the requests that the vendor got in this test."""
        return [request.body for request in self._vendor.requests[self.before :]]

    def message(self, streamed: bool, **more: Any) -> Any:
        """The message; one that is streamed is put together by the client's own code."""
        messages = [{"role": "user", "content": "weather?"}]
        asked: dict[str, Any] = {"model": CLAUDE, "max_tokens": 2000, "messages": messages, **more}
        if not streamed:
            return self.client.messages.create(**asked)
        with self.client.messages.stream(**asked) as stream:
            return stream.get_final_message()


@contextmanager
def real_instance(vendor: Vendor) -> Iterator[anthropic.Anthropic]:
    with serving(real_config(vendor)) as (port, _):
        url = f"http://127.0.0.1:{port}"
        with anthropic.Anthropic(base_url=url, api_key=TOKEN, max_retries=0, timeout=120) as client:
            yield client


@pytest.fixture(scope="module")
def running(litellm: Any) -> Iterator[Asked]:
    asked: list[Asked] = []
    with Vendor(lambda talk: asked[0].says(talk)) as vendor, real_instance(vendor) as client:
        asked.append(Asked(vendor, client))
        yield asked[0]


@pytest.fixture
def asked(running: Asked, only_loopback: set[tuple[str, int]]) -> Asked:
    running.says, running.before = tells(ANSWER), len(running._vendor.requests)
    return running


def test_a_stream_counts_nothing_before_the_vendor_has(asked: Asked) -> None:
    told: Any = {"model": CLAUDE, "max_tokens": 99, "messages": [{"role": "user", "content": "Hi."}], "stream": True}
    events = {event.type: event for event in asked.client.messages.create(**told)}
    begun, ended = events["message_start"].message.usage, events["message_delta"].usage
    assert (begun.input_tokens, begun.output_tokens) == (0, 0)
    assert (ended.input_tokens, ended.output_tokens) == (said.SENT, said.RECEIVED)


@streamed_or_not
def test_thinking_and_calls_come_whole_and_go_back_whole_to_anthropic(asked: Asked, streamed: bool) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    message = asked.message(streamed, tools=[WEATHER], thinking=thinking)
    blocks = [block.model_dump(exclude_none=True) for block in message.content]
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "signed"}
    called = {"type": "tool_use", "id": "toolu_0", "name": "get_weather", "input": {"city": "Forlì"}}
    assert blocks == [thought, {"type": "text", "text": "Let me look."}, called]
    assert (message.stop_reason, message.model) == ("tool_use", "a-model-of-today")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (said.SENT, said.RECEIVED)
    result = {"type": "tool_result", "tool_use_id": "toolu_0", "content": "sun"}
    messages = [
        {"role": "user", "content": "weather?"},
        message.to_param(),
        {"role": "user", "content": [result, {"type": "text", "text": "And?"}]},
    ]
    asked.message(streamed, tools=[WEATHER], thinking=thinking, messages=messages)
    first, second = asked.bodies
    assert first["thinking"] == second["thinking"] == thinking
    assert second["messages"][1] == {
        "role": "assistant",
        "content": [thought, {"type": "text", "text": "Let me look."}, called],
    }
    assert second["messages"][2]["content"] == [result, {"type": "text", "text": "And?"}]


@streamed_or_not
def test_a_stop_sequence_is_told_as_anthropic_told_it(asked: Asked, streamed: bool) -> None:
    asked.says = tells(Said(text=("One, ", "two"), stop=", three"))
    message = asked.message(streamed, stop_sequences=[", three"])
    assert asked.bodies[0]["stop_sequences"] == [", three"]
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", ", three")
    asked.says = tells(Said(text=("One, ", "two")))
    message = asked.message(streamed, stop_sequences=[", three"])
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)


@streamed_or_not
def test_reasoning_and_calls_come_whole_and_go_back_whole_to_a_vendor_that_signs_nothing(
    asked: Asked, streamed: bool
) -> None:
    message = asked.message(streamed, model=GPT, tools=[WEATHER])
    kinds = [block.type for block in message.content]
    assert kinds == ["thinking", "text", "tool_use"]
    assert (message.content[0].thinking, message.content[0].signature) == ("Hm.", "")
    result = {"type": "tool_result", "tool_use_id": message.content[2].id, "content": "sun"}
    messages = [
        {"role": "user", "content": "weather?"},
        message.to_param(),
        {"role": "user", "content": [result]},
    ]
    asked.message(streamed, model=GPT, tools=[WEATHER], messages=messages)
    _, answered, told = asked.bodies[1]["messages"]
    assert (answered["content"], answered["reasoning_content"]) == ("Let me look.", "Hm.")
    assert answered["tool_calls"][0]["function"] == {"name": "get_weather", "arguments": '{"city": "Forlì"}'}
    assert told == {"role": "tool", "tool_call_id": message.content[2].id, "content": "sun"}


def test_what_is_asked_reaches_anthropic_as_it_was_said(asked: Asked) -> None:
    cached = {"type": "ephemeral"}
    head, _, data = PNG.partition(",")
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    pdf = {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": PDF.partition(",")[2]},
    }
    content = [image, pdf, {"type": "text", "text": "Look.", "cache_control": cached}]
    asked.message(
        False,
        system=[{"type": "text", "text": "Be brief.", "cache_control": cached}],
        messages=[{"role": "user", "content": content}],
        tools=[{**WEATHER, "cache_control": cached}],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
        stop_sequences=["END"],
        metadata={"user_id": "someone"},
        extra_body={"top_k": 4, "temperature": 0.5, "output_config": {"effort": "low"}},
    )
    (body,) = asked.bodies
    assert (body["model"], body["max_tokens"], body["top_k"], body["temperature"]) == (CLAUDE, 2000, 4, 0.5)
    assert body["system"] == [{"type": "text", "text": "Be brief.", "cache_control": cached}]
    assert body["messages"] == [{"role": "user", "content": content}]
    assert body["tools"][0]["cache_control"] == cached
    assert body["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
    assert body["stop_sequences"] == ["END"]
    assert body["metadata"] == {"user_id": "someone"}
    assert body["output_config"] == {"effort": "low"}
    assert head.startswith("data:image/png")


def test_a_vendors_429_is_one_with_its_retry_after_and_is_asked_for_once(asked: Asked) -> None:
    asked.says = fails(429, retry_after="7")
    with pytest.raises(anthropic.RateLimitError) as caught:
        asked.message(False)
    assert caught.value.response.headers["retry-after"] == "7"
    assert CANARY not in str(caught.value)
    assert len(asked.bodies) == 1


def test_tokens_are_counted_by_anthropic_and_by_nobody_else(asked: Asked) -> None:
    asked.says = says({"input_tokens": 41})
    told: dict[str, Any] = {"messages": [{"role": "user", "content": "weather?"}], "tools": [WEATHER], "system": "Hm."}
    assert asked.client.messages.count_tokens(model=CLAUDE, **told).input_tokens == 41
    (body,) = asked.bodies
    assert (body["model"], body["tools"][0]["name"]) == (CLAUDE, "get_weather")
    assert asked._vendor.requests[-1].headers["x-api-key"] == CANARY
    with pytest.raises(anthropic.BadRequestError, match="Anthropic alone"):
        asked.client.messages.count_tokens(model=GPT, **told)
    asked.says = fails(401)
    with pytest.raises(anthropic.AuthenticationError) as refused:
        asked.client.messages.count_tokens(model=CLAUDE, **told)
    assert CANARY not in str(refused.value)
    assert len(asked.bodies) == 2


def test_a_vendor_that_is_overloaded_is_said_to_be(asked: Asked) -> None:
    asked.says = fails(529)
    with pytest.raises(anthropic.InternalServerError) as caught:
        asked.message(True)
    assert (caught.value.status_code, caught.value.type) == (529, "overloaded_error")


def test_a_failure_in_the_middle_is_raised_after_what_came(asked: Asked) -> None:
    asked.says, came = fails_midway, []
    with (
        pytest.raises(anthropic.APIStatusError) as caught,
        asked.client.messages.stream(model=CLAUDE, max_tokens=9, messages=[{"role": "user", "content": "x"}]) as stream,
    ):
        for text in stream.text_stream:
            came.append(text)
    assert came == ["Hel"]
    assert caught.value.type == "overloaded_error"


@streamed_or_not
def test_a_withheld_block_of_thinking_goes_back_too(asked: Asked, streamed: bool) -> None:
    content = [THINKING, REDACTED, {"type": "text", "text": "4"}]
    whole = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": content}
    answered = {**whole, "stop_reason": "end_turn", "usage": ANTHROPICS_USAGE}
    asked.says = says_events(anthropic_events()) if streamed else says(answered)
    message = asked.message(streamed)
    blocks = [block.model_dump(exclude_none=True) for block in message.content]
    assert sorted(block["type"] for block in blocks) == ["redacted_thinking", "text", "thinking"]
    assert THINKING in blocks and REDACTED in blocks
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (9, 4)
    asked.message(
        streamed, messages=[{"role": "user", "content": "x"}, message.to_param(), {"role": "user", "content": "y"}]
    )
    assert asked.bodies[1]["messages"][1]["content"] == content
