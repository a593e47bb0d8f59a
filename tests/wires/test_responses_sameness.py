"""The same answer by the Responses API of OpenAI and Azure, whole and streamed, as by `theoryctl local run`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

import openai
import pytest

from tests.providers.started import TOKEN
from tests.wires.asked import (
    ANSWER_SCHEMA,
    ASKED,
    DOCUMENT,
    NAMED_TOOL,
    PICTURE,
    PICTURES,
    PLACE,
    SYSTEM_PARTS,
    TWO_PARTS,
    WEATHER,
    Said,
    by_local_run,
    check_same,
    user,
)
from tests.wires.conftest import Instance
from tests.wires.test_openai_sameness import at_azures_paths, client_of

#: The Responses API has no `stop`.
SHARED = [asked for asked in ASKED if "stop" not in asked]

_TALK: dict[str, Any] = {"model": "a-model-of-today", "max_tokens": 300}
OWN: list[dict[str, Any]] = [
    {**_TALK, "messages": [user("think")], "reasoning_effort": "low"},
    {**_TALK, "messages": [user("briefly")], "verbosity": "low"},
    {**_TALK, "messages": [user("json")], "response_format": {"type": "json_object"}},
    {**_TALK, "messages": [user("both")], "tools": [WEATHER, PLACE], "parallel_tool_calls": False},
    {"model": "other", "messages": [user("no limit")]},
    {"model": "anthropic/claude-x", "messages": [user("another vendor's")], "response_format": ("s", ANSWER_SCHEMA)},
]
REQUESTS = (*SHARED, *OWN, NAMED_TOOL, PICTURE, PICTURES, DOCUMENT, TWO_PARTS, SYSTEM_PARTS)

#: What OpenAI's client has no argument for.
_BEYOND = ("top_k", "extra_body")


def inputs_of(asked: dict[str, Any], vendor: str) -> dict[str, Any]:
    """The request as `theoryctl local run` takes it."""
    model = asked["model"]
    inputs = {**asked, "model": model if "/" in model else f"{vendor}/{model}"}
    if "max_tokens" in inputs:
        inputs["max_completion_tokens"] = inputs.pop("max_tokens")
    if isinstance(wanted := asked.get("response_format"), tuple):
        inputs["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": wanted[1]}}
    return inputs


def body_of(asked: dict[str, Any]) -> dict[str, Any]:
    """The request as OpenAI's client takes it."""
    renamed = {"messages", "max_tokens", "tools", "tool_choice", "response_format", "verbosity", "reasoning_effort"}
    body = {name: value for name, value in asked.items() if name not in {*renamed, *_BEYOND}}
    body["input"] = [item for message in asked["messages"] for item in _items(message)]
    if "max_tokens" in asked:
        body["max_output_tokens"] = asked["max_tokens"]
    if "tools" in asked:
        body["tools"] = [{"type": "function", "strict": None, **tool["function"]} for tool in asked["tools"]]
    if (choice := asked.get("tool_choice")) is not None:
        body["tool_choice"] = choice if isinstance(choice, str) else {"type": "function", **choice["function"]}
    if "reasoning_effort" in asked:
        body["reasoning"] = {"effort": asked["reasoning_effort"]}
    text = {"verbosity": asked.get("verbosity"), "format": _format(asked.get("response_format"))}
    return {
        **body,
        "text": {name: value for name, value in text.items() if value},
        "extra_body": {name: asked[name] for name in _BEYOND if name in asked},
    }


def _format(wanted: Any) -> Any:
    return {"type": "json_schema", "name": "answer", "schema": wanted[1]} if isinstance(wanted, tuple) else wanted


def _items(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    content = message["content"]
    if message["role"] == "tool":
        yield {"type": "function_call_output", "call_id": message["tool_call_id"], "output": content}
        return
    if content is not None:
        parts = [_part(part) for part in content] if isinstance(content, list) else content
        yield {"role": message["role"], "content": parts}
    for call in message.get("tool_calls", ()):
        yield {"type": "function_call", "call_id": call["id"], **call["function"]}


def _part(part: dict[str, Any]) -> dict[str, Any]:
    match part["type"]:
        case "text":
            return {"type": "input_text", "text": part["text"]}
        case "image_url":
            return {"type": "input_image", "image_url": part["image_url"]["url"]}
        case _:
            return {"type": "input_file", **part["file"]}


def send(client: openai.OpenAI, body: dict[str, Any], streamed: bool) -> Said:
    if streamed:
        return _pieced(list(client.responses.create(**body, stream=True)))
    response = client.responses.create(**body)
    calls = [(item.name, item.arguments) for item in response.output if item.type == "function_call"]
    return _said(response.output_text, calls, response.status)


def _pieced(events: Sequence[Any]) -> Said:
    """The answer as its deltas have it."""
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    names = {
        event.output_index: event.item.name
        for event in events
        if event.type == "response.output_item.added" and event.item.type == "function_call"
    }
    deltas = [event for event in events if event.type == "response.function_call_arguments.delta"]
    pieces = {
        index: "".join(event.delta for event in group)
        for index, group in groupby(deltas, key=lambda event: event.output_index)
    }
    return _said(text, [(name, pieces.get(index, "")) for index, name in names.items()], events[-1].response.status)


def _said(text: str, calls: list[tuple[str, str]], status: Any) -> Said:
    cut = status == "incomplete"
    return Said(text, [(name, None if cut else json.loads(arguments)) for name, arguments in calls], cut)


def check(client: openai.OpenAI, streamed: bool) -> None:
    """Hold that all requests have the answers of a run."""
    assert len(REQUESTS) >= 40
    vendor = "azure" if isinstance(client, openai.AzureOpenAI) else "openai"
    for asked in REQUESTS:
        check_same(send(client, body_of(asked), streamed), by_local_run(inputs_of(asked, vendor)))


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("make", [client_of, at_azures_paths])
def test_forty_requests_have_the_answers_of_local_run(
    instance: Instance, make: Callable[[str, str], openai.OpenAI], streamed: bool
) -> None:
    with make(instance.url, TOKEN) as client:
        check(client, streamed)
