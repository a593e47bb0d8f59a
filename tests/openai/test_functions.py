"""OpenAI's deprecated `functions`, which clients from before tools still send: called, answered and sent back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.openai.asking import Asked
from tests.providers.started import CONFIG, TOKEN, serving
from tests.real.reading import choice, chunks, completion
from tests.real.vendor import says, says_events
from tests.wires.conftest import scripted
from theoryctl_providers import ProviderError, run
from theoryctl_providers.contract.wire import ServerConfig

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTIONS: list[Any] = [{"name": "get_weather", "parameters": CITY}, {"name": "get_time"}]
USER = {"role": "user", "content": 'What is the weather in "Turin"?'}
NAMED = {"name": "get_weather"}
CALL = {"role": "assistant", "content": None, "function_call": {"name": "get_weather", "arguments": '{"city":"Turin"}'}}
RESULT = {"role": "function", "name": "get_weather", "content": "sunny"}
EACH = {"X-Theoryctl-Tools": "each"}

streamed_or_not = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@pytest.fixture(scope="module")
def client() -> Iterator[openai.OpenAI]:
    yield from of(CONFIG)


def of(config: ServerConfig) -> Iterator[openai.OpenAI]:
    with serving(config) as (port, _), openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=TOKEN) as client:
        yield client


def ask(client: openai.OpenAI, streamed: bool, *messages: Any, **more: Any) -> tuple[dict[str, Any], str]:
    """Return the message, and the reason that it ended; pieces of a stream are joined, as clients join them."""
    asked: dict[str, Any] = {"model": "gpt-4", "messages": [USER, *messages], "functions": FUNCTIONS, **more}
    found: Any = client.chat.completions.create(**asked, stream=streamed)
    if not streamed:
        return found.choices[0].message.model_dump(exclude_none=True), found.choices[0].finish_reason
    message: dict[str, Any] = {}
    for piece in (piece for chunk in found for piece in chunk.choices):
        delta = piece.delta.model_dump(exclude_none=True)
        for name, text in delta.pop("function_call", {}).items():
            call = message.setdefault("function_call", {})
            call[name] = call.get(name, "") + text
        message |= {name: message.get(name, "") + text for name, text in delta.items()}
    return message, piece.finish_reason


@streamed_or_not
def test_a_function_that_is_named_is_called(client: openai.OpenAI, streamed: bool) -> None:
    message, reason = ask(client, streamed, function_call=NAMED)
    call = message.pop("function_call")
    assert (message, reason) == ({"role": "assistant"}, "function_call")
    assert call["name"] == "get_weather"
    assert list(json.loads(call["arguments"])) == ["city"]


@streamed_or_not
def test_each_function_is_called_once_and_then_comes_an_answer(client: openai.OpenAI, streamed: bool) -> None:
    messages: list[Any] = []
    for name in ("get_weather", "get_time"):
        message, reason = ask(client, streamed, *messages, extra_headers=EACH)
        assert (message["function_call"]["name"], reason) == (name, "function_call")
        messages += [{"content": None, **message}, {"role": "function", "name": name, "content": "sunny"}]
    assert json.loads(messages[0]["function_call"]["arguments"]) == {"city": "Turin"}
    message, reason = ask(client, streamed, *messages, extra_headers=EACH)
    assert ("Mock answer" in message["content"], "function_call" in message, reason) == (True, False, "stop")


@streamed_or_not
@pytest.mark.parametrize("wanted", [{}, {"function_call": "auto"}, {"function_call": "none"}], ids=str)
def test_without_a_choice_words_answer_as_with_tools(client: openai.OpenAI, wanted: Any, streamed: bool) -> None:
    message, reason = ask(client, streamed, **wanted)
    assert ("Mock answer" in message["content"], reason) == (True, "stop")


def test_a_call_and_its_result_are_sent_back(client: openai.OpenAI) -> None:
    message, _ = ask(client, False, CALL, RESULT, function_call="auto")
    assert 'to: "sunny"' in message["content"]


@streamed_or_not
def test_a_script_calls_a_function(streamed: bool) -> None:
    answer = {"tool_calls": [{"name": "get_weather", "arguments": "from_schema"}]}
    for client in of(scripted({"rules": [{"when": {"tools": ["get_weather"]}, "answers": [answer]}]})):
        message, reason = ask(client, streamed)
    assert (json.loads(message["function_call"]["arguments"]), reason) == ({"city": "Turin"}, "function_call")


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"function_call": {"name": "get_whether"}}, "function_call"),
        ({"function_call": "required"}, "function_call"),
        ({"functions": [{"parameters": {}}]}, "functions[0].name"),
        ({"functions": [{"name": "f", "parameter": {}}]}, "functions[0].parameter"),
        ({"functions": [{"name": "f", "parameters": {"type": 5}}], "function_call": {"name": "f"}}, "functions"),
        (
            {"messages": [USER, {**CALL, "function_call": {"name": "f", "arguments": "{"}}, RESULT]},
            "messages[1].function_call.arguments",
        ),
    ],
    ids=lambda value: json.dumps(value)[:50] if isinstance(value, dict) else "",
)
def test_what_is_wrong_with_a_function_is_named(client: openai.OpenAI, asked: dict[str, Any], param: str) -> None:
    inputs = {"model": "gpt-4", "messages": [USER], "functions": FUNCTIONS, **asked}
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**inputs)
    with pytest.raises(ProviderError) as raised:
        run(inputs)
    assert (caught.value.param, raised.value.param) == (param, param)


@streamed_or_not
def test_a_vendors_call_of_a_function_comes_as_one(asked: Asked, streamed: bool) -> None:
    called = {"role": "assistant", "content": None, "function_call": {"name": "get_weather", "arguments": "{}"}}
    whole = completion(choice(called, finish_reason="function_call"))
    says_it = says_events(chunks(called, reason="function_call")) if streamed else says(whole)
    message, reason = ask(asked.after(says_it), streamed, CALL, RESULT, function_call=NAMED)
    assert (message["function_call"], reason) == (called["function_call"], "function_call")
    sent = asked.requests[-1].body
    assert (sent["functions"], sent["function_call"]) == (FUNCTIONS, NAMED)
    assert [sent["messages"][1]["function_call"], sent["messages"][2]] == [CALL["function_call"], RESULT]
