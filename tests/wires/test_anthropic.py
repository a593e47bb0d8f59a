"""Anthropic's API of a mock, by its own client and as it goes over the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import pytest

from tests.providers.started import CONFIG, TOKEN, Answer, serving
from tests.wires.asked import PDF, PNG
from tests.wires.conftest import Instance, scripted
from theoryctl_providers.contract.wire import ServerConfig

PATH = "/v1/messages"
ASK: dict[str, Any] = {
    "model": "claude-x",
    "max_tokens": 300,
    "messages": [{"role": "user", "content": "Say hello."}],
}
WEATHER = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}

streamed_or_not = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@contextmanager
def client_of(config: ServerConfig = CONFIG, **options: Any) -> Iterator[anthropic.Anthropic]:
    with serving(config) as (port, _):
        told = {"base_url": f"http://127.0.0.1:{port}", "api_key": TOKEN, "max_retries": 0, **options}
        with anthropic.Anthropic(**told) as client:
            yield client


@pytest.fixture(scope="module")
def client(instance: Instance) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=instance.url, api_key=TOKEN, max_retries=0) as client:
        yield client


def create(client: anthropic.Anthropic, streamed: bool = False, **more: Any) -> Any:
    asked: dict[str, Any] = {**ASK, **more}
    if not streamed:
        return client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        return stream.get_final_message()


def post(instance: Instance, body: Any = ASK, path: str = PATH, method: str = "POST", **headers: str) -> Answer:
    told = {"x_api_key": TOKEN, "anthropic_version": "2023-06-01", **headers}
    return instance.ask(path, body, method, **told)


# -- messages ---------------------------------------------------------------------------------------------------------


@streamed_or_not
def test_a_message_has_text_its_reason_and_its_usage(client: anthropic.Anthropic, streamed: bool) -> None:
    message = create(client, streamed)
    (block,) = message.content
    assert block.text.startswith("Mock answer") and "anthropic/claude-x" in block.text
    assert (message.model, message.role, message.stop_reason, message.stop_sequence) == (
        "claude-x",
        "assistant",
        "end_turn",
        None,
    )
    assert (message.usage.input_tokens, message.usage.output_tokens) == (14, 11)
    assert message.usage.cache_read_input_tokens is None
    assert message.id == create(client).id


@streamed_or_not
@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ({"type": "any"}, ["get_weather"]),
        ({"type": "tool", "name": "get_time", "disable_parallel_tool_use": True}, ["get_time"]),
        ({"type": "auto"}, []),
        ({"type": "none"}, []),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_a_tool_is_called_as_tool_choice_says(
    client: anthropic.Anthropic, streamed: bool, choice: dict[str, Any], called: list[str]
) -> None:
    time = {"name": "get_time", "type": "custom", "input_schema": {"type": "object"}}
    message = create(client, streamed, tools=[WEATHER, time], tool_choice=choice)
    assert [block.name for block in message.content if block.type == "tool_use"] == called
    assert message.stop_reason == ("tool_use" if called else "end_turn")


def test_an_agent_that_must_call_tools_gets_to_its_end(client: anthropic.Anthropic) -> None:
    messages: list[Any] = list(ASK["messages"])
    tools = [WEATHER, {"name": "submit", "input_schema": {"type": "object"}}]
    called = []
    for _ in range(2):
        message = create(client, messages=messages, tools=tools, tool_choice={"type": "any"})
        (call,) = message.content
        called.append(call.name)
        result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "ok"}]}
        messages += [message.to_param(), {"role": "user", "content": [result]}]
    assert called == ["get_weather", "submit"]
    assert create(client, messages=messages, tools=tools).content[0].type == "text"


def test_images_and_pdfs_are_part_of_what_is_asked(client: anthropic.Anthropic) -> None:
    def asked(kind: str, address: str) -> str:
        head, _, data = address.partition(",")
        source = {"type": "base64", "media_type": head.removeprefix("data:").partition(";")[0], "data": data}
        content = [{"type": kind, "source": source}, {"type": "text", "text": "Well?"}]
        text: str = create(client, messages=[{"role": "user", "content": content}]).content[0].text
        return text

    answers = {asked("image", PNG), asked("image", f"{PNG}AAAA"), asked("document", PDF)}
    assert len(answers) == 3
    assert all(answer.endswith('Well?"') for answer in answers)


def test_the_older_auth_token_is_taken_too(instance: Instance) -> None:
    with anthropic.Anthropic(base_url=instance.url, auth_token=TOKEN, max_retries=0) as client:
        assert create(client).stop_reason == "end_turn"


def test_a_client_that_adds_no_version_to_the_address_is_answered_too(instance: Instance) -> None:
    assert post(instance, path="/messages").body == post(instance).body
    assert post(instance, path="/messages", x_api_key="no").document["error"]["type"] == "authentication_error"


def test_tokens_are_counted_as_the_usage_counts_them(client: anthropic.Anthropic) -> None:
    asked = {"model": "claude-x", "messages": ASK["messages"]}
    assert client.messages.count_tokens(**asked).input_tokens == create(client).usage.input_tokens


def test_counting_takes_no_answer_of_a_script() -> None:
    script = {"strict": True, "rules": [{"exhausted": "skip", "answers": [{"text": "one"}]}]}
    with client_of(scripted(script)) as client:
        assert client.messages.count_tokens(model="claude-x", messages=ASK["messages"]).input_tokens == 14
        assert create(client).content[0].text == "one"


def test_models_have_each_wires_shape_by_the_header(client: anthropic.Anthropic, instance: Instance) -> None:
    (model,) = client.models.list().data
    assert (model.id, model.type) == ("openai/gpt-4o-mini", "model")
    assert client.models.retrieve("claude-x").id == "claude-x"
    openais = instance.ask("/v1/models", None, "GET", authorization=f"Bearer {TOKEN}").document
    assert (openais["object"], openais["data"][0]["object"]) == ("list", "model")


def test_what_the_vendor_alone_understands_is_carried(client: anthropic.Anthropic) -> None:
    own = {"context_management": {"edits": []}, "output_config": {"effort": "low"}, "service_tier": "auto"}
    changed = create(client, extra_body=own).content[0].text
    assert changed.startswith("Mock answer") and changed != create(client).content[0].text
    assert create(client, metadata={"user_id": "me"}, service_tier="auto").content == create(client).content


# -- streams ----------------------------------------------------------------------------------------------------------


def events_of(body: bytes) -> list[dict[str, Any]]:
    found = []
    for event in body.decode().strip().split("\n\n"):
        name, data = event.split("\n")
        document = json.loads(data.removeprefix("data: "))
        assert document["type"] == name.removeprefix("event: ")
        found.append(document)
    return found


def test_a_stream_of_a_mock_leaves_in_one_piece_and_has_anthropics_events(instance: Instance) -> None:
    answer = post(instance, {**ASK, "stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert int(answer.headers["content-length"]) == len(answer.body)
    kinds = [event["type"] for event in events_of(answer.body)]
    assert kinds[:2] + kinds[-3:] == [
        "message_start",
        "content_block_start",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert set(kinds[2:-3]) == {"content_block_delta"}


def test_a_stream_of_a_mock_begins_with_the_tokens_of_the_prompt(instance: Instance) -> None:
    begun, *_, ended, _last = events_of(post(instance, {**ASK, "system": "Be brief.", "stream": True}).body)
    told = begun["message"]["usage"]
    assert (told["input_tokens"], told["output_tokens"]) == (ended["usage"]["input_tokens"], 0)
    assert told["input_tokens"] > 14


REASONED = {
    "rules": [
        {
            "answers": [
                {
                    "reasoning": "Let me think.",
                    "text": "It is sunny.",
                    "annotations": [{"url": "https://example.com/a", "title": "A"}],
                    "tool_calls": [
                        {"name": "get_weather", "arguments": {"city": "Forlì"}, "id": "call_1"},
                        {"name": "get_weather", "arguments": {"city": "Turin"}, "id": "call_2"},
                    ],
                    "usage": {
                        "input_tokens": 20,
                        "output_tokens": 9,
                        "cached_input_tokens": 12,
                        "cache_write_tokens": 5,
                        "reasoning_tokens": 4,
                    },
                }
            ]
        }
    ]
}


@streamed_or_not
def test_reasoning_sources_and_calls_are_blocks_in_their_order(streamed: bool) -> None:
    with client_of(scripted(REASONED)) as client:
        message = create(client, streamed, tools=[WEATHER])
    thinking, text, *calls = message.content
    assert (thinking.type, thinking.thinking, thinking.signature) == ("thinking", "Let me think.", "")
    assert (text.text, text.citations[0].url) == ("It is sunny.", "https://example.com/a")
    assert [(call.id, call.input) for call in calls] == [("call_1", {"city": "Forlì"}), ("call_2", {"city": "Turin"})]
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (3, 12, 5)
    assert usage.output_tokens_details.thinking_tokens == 4


def test_one_block_is_open_at_a_time() -> None:
    with serving(scripted(REASONED)) as (port, _):
        answer = post(Instance(port), {**ASK, "stream": True, "tools": [WEATHER]})
    opened: list[int] = []
    for event in events_of(answer.body):
        if event["type"] == "content_block_start":
            assert opened == []
            opened.append(event["index"])
        elif event["type"] == "content_block_stop":
            assert opened == [event["index"]]
            opened.clear()


@streamed_or_not
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"refusal": "I will not."}, "refusal"),
        ({"text": "I", "finish_reason": "length"}, "max_tokens"),
        ({"text": "I", "finish_reason": "content_filter"}, "refusal"),
        ({"text": ""}, "end_turn"),
    ],
)
def test_an_answer_ends_for_its_reason(streamed: bool, answer: dict[str, Any], reason: str) -> None:
    with client_of(scripted({"rules": [{"answers": [answer]}]})) as client:
        message = create(client, streamed)
    assert message.stop_reason == reason
    assert "".join(block.text for block in message.content) == answer.get("text", answer.get("refusal"))


@streamed_or_not
def test_a_message_names_the_stop_sequence_that_ended_it(client: anthropic.Anthropic, streamed: bool) -> None:
    message = create(client, streamed, stop_sequences=["nowhere", " to:"])
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", " to:")
    assert message.content[0].text.endswith("claude-x")


def test_no_stop_sequences_are_none(instance: Instance) -> None:
    assert post(instance, {**ASK, "stop_sequences": []}).body == post(instance).body


@streamed_or_not
def test_a_script_names_the_stop_sequence_too(streamed: bool) -> None:
    with client_of(scripted({"rules": [{"answers": [{"text": "", "stop_sequence": "END"}]}]})) as client:
        message = create(client, streamed)
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "END")
