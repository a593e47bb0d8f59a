"""The same answer by Ollama's wire, whole and streamed, as by `theoryctl local run`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import ollama
import pytest

from tests.providers.started import TOKEN
from tests.wires.asked import ASKED, PICTURE, WEATHER, Said, by_local_run, check_same, user
from tests.wires.conftest import Instance

#: Ollama has no `tool_choice`.
SHARED = [asked for asked in ASKED if "tool_choice" not in asked]

_TALK: dict[str, Any] = {"model": "a-model-of-today", "max_tokens": 300}
OWN: list[dict[str, Any]] = [
    {**_TALK, "messages": [user("seed")], "seed": 7},
    {**_TALK, "messages": [user("min_p")], "min_p": 0.05},
    {**_TALK, "messages": [user("presence")], "presence_penalty": 0.5},
    {**_TALK, "messages": [user("frequency")], "frequency_penalty": -0.5, "seed": 1},
    {**_TALK, "messages": [user("much context")], "extra_body": {"num_ctx": 8192}},
    {**_TALK, "messages": [user("kept")], "extra_body": {"keep_alive": "5m", "num_ctx": 4096}},
    {**_TALK, "messages": [user("think")], "reasoning_effort": "low"},
    {**_TALK, "messages": [user("json")], "response_format": {"type": "json_object"}},
    {"model": "other:1b", "messages": [user("no limit")]},
    {"model": "other:1b", "messages": [user("no limit"), {"role": "assistant", "content": "x"}, user("y")]},
    {"model": "other:1b", "messages": [user("tools")], "tools": [WEATHER], "temperature": 0.5},
    PICTURE,
]


def known(asked: dict[str, Any]) -> dict[str, Any]:
    """A request whose tools have only what Ollama's client sends of a schema."""
    left_out = (', "minimum": 1', ', "minItems": 2')
    tools = json.dumps(asked.get("tools", []))
    for text in left_out:
        tools = tools.replace(text, "")
    return {**asked, "tools": json.loads(tools)} if "tools" in asked else asked


REQUESTS = [known(asked) for asked in (*SHARED, *OWN)]
_OPTIONS = ("temperature", "top_p", "top_k", "min_p", "seed", "stop", "presence_penalty", "frequency_penalty")


@contextmanager
def client_of(url: str, token: str) -> Iterator[ollama.Client]:
    client = ollama.Client(host=url, headers={"authorization": f"Bearer {token}"})
    with closing(client._client):
        yield client


def inputs_of(asked: dict[str, Any]) -> dict[str, Any]:
    """The request as `theoryctl local run` takes it; ids of calls are those that the wire gives them."""
    inputs = json.loads(json.dumps({**asked, "model": f"ollama/{asked['model']}"}).replace('"call_1"', '"call_0"'))
    if isinstance(asked.get("response_format"), tuple):
        schema = {"name": "answer", "schema": asked["response_format"][1]}
        inputs["response_format"] = {"type": "json_schema", "json_schema": schema}
    return dict(inputs)


def body_of(asked: dict[str, Any]) -> dict[str, Any]:
    """The request as Ollama's client takes it."""
    options = {name: asked[name] for name in _OPTIONS if name in asked}
    extra = dict(asked.get("extra_body", {}))
    body: dict[str, Any] = {"model": asked["model"], "messages": [_message(message) for message in asked["messages"]]}
    body |= {name: extra.pop(name) for name in ("keep_alive",) if name in extra}
    if "max_tokens" in asked:
        options["num_predict"] = asked["max_tokens"]
    if "tools" in asked:
        body["tools"] = asked["tools"]
    if wanted := asked.get("response_format"):
        body["format"] = wanted[1] if isinstance(wanted, tuple) else "json"
    if "reasoning_effort" in asked:
        body["think"] = asked["reasoning_effort"]
    return {**body, "options": {**options, **extra}}


def _message(message: dict[str, Any]) -> dict[str, Any]:
    if message["role"] == "tool":
        return {"role": "tool", "tool_name": "get_weather", "content": message["content"]}
    told: dict[str, Any] = {"role": message["role"], "content": message["content"] or ""}
    if isinstance(message["content"], list):
        told["content"] = message["content"][0]["text"]
        told["images"] = [part["image_url"]["url"].partition(",")[2] for part in message["content"][1:]]
    if calls := message.get("tool_calls"):
        functions = [call["function"] for call in calls]
        told["tool_calls"] = [
            {"function": {"name": each["name"], "arguments": json.loads(each["arguments"])}} for each in functions
        ]
    return told


def send(client: ollama.Client, body: dict[str, Any], streamed: bool) -> Said:
    answers = list(client.chat(**body, stream=True)) if streamed else [client.chat(**body)]
    text = "".join(answer.message.content or "" for answer in answers)
    calls = [call.function for answer in answers for call in answer.message.tool_calls or ()]
    return Said(text, [(call.name, dict(call.arguments)) for call in calls], answers[-1].done_reason == "length")


def check(client: ollama.Client, streamed: bool) -> None:
    """Hold that all requests have the answers of a run."""
    assert len(REQUESTS) >= 40
    for asked in REQUESTS:
        check_same(send(client, body_of(asked), streamed), by_local_run(inputs_of(asked)))


@pytest.fixture(scope="module")
def client(instance: Instance) -> Iterator[ollama.Client]:
    with client_of(instance.url, TOKEN) as client:
        yield client


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_forty_requests_have_the_answers_of_local_run(client: ollama.Client, streamed: bool) -> None:
    check(client, streamed)
