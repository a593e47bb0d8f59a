"""The same answer by Anthropic's wire, whole and streamed, as by `theoryctl local run`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.providers.started import TOKEN
from tests.wires.asked import (
    ASKED,
    DOCUMENT,
    NAMED_TOOL,
    PICTURE,
    PICTURES,
    SYSTEM_PARTS,
    TWO_PARTS,
    Said,
    by_local_run,
    check_same,
)
from tests.wires.conftest import Instance

REQUESTS = (*ASKED, NAMED_TOOL, PICTURE, PICTURES, DOCUMENT, TWO_PARTS, SYSTEM_PARTS)


def client_of(url: str, token: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=url, api_key=token, max_retries=0)


def body_of(inputs: dict[str, Any]) -> dict[str, Any]:
    """The request as a client of Anthropic's writes it."""
    given = {**inputs, "messages": []}
    for message in inputs["messages"]:
        if message["role"] == "system":
            given["system"] = message["content"]
        else:
            given["messages"].append(_message(message))
    if "stop" in given:
        given["stop_sequences"] = given.pop("stop")
    if "tools" in given:
        given["tools"] = [_tool(tool["function"]) for tool in given["tools"]]
    if isinstance(choice := given.get("tool_choice"), str):
        given["tool_choice"] = {"type": {"required": "any"}.get(choice, choice)}
    elif choice is not None:
        given["tool_choice"] = {"type": "tool", "name": choice["function"]["name"]}
    if "response_format" in given:
        given["output_config"] = {"format": {"type": "json_schema", "schema": given.pop("response_format")[1]}}
    return given


def inputs_of(asked: dict[str, Any]) -> dict[str, Any]:
    """The request as `theoryctl local run` takes it."""
    inputs = {**asked, "model": f"anthropic/{asked['model']}"}
    if "response_format" in asked:
        schema = {"name": "answer", "schema": asked["response_format"][1]}
        inputs["response_format"] = {"type": "json_schema", "json_schema": schema}
    return inputs


def _message(message: dict[str, Any]) -> dict[str, Any]:
    content = message["content"]
    if message["role"] == "tool":
        block = {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": content}
        return {"role": "user", "content": [block]}
    blocks = [_block(part) for part in content] if isinstance(content, list) else content
    for call in message.get("tool_calls", ()):
        function = call["function"]
        used = {"type": "tool_use", "id": call["id"], "name": function["name"]}
        blocks = [*(blocks or ()), {**used, "input": json.loads(function["arguments"])}]
    return {"role": message["role"], "content": blocks}


def _block(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] == "text":
        return part
    address = part["image_url"]["url"] if part["type"] == "image_url" else part["file"]["file_data"]
    head, _, data = address.partition(",")
    source = {"type": "base64", "media_type": head.removeprefix("data:").partition(";")[0], "data": data}
    if part["type"] == "image_url":
        return {"type": "image", "source": source}
    return {"type": "document", "title": part["file"]["filename"], "source": source}


def _tool(function: dict[str, Any]) -> dict[str, Any]:
    return {"name": function["name"], "description": function["description"], "input_schema": function["parameters"]}


def said(message: Any) -> Said:
    text = "".join(block.text for block in message.content if block.type == "text")
    calls = [(block.name, block.input) for block in message.content if block.type == "tool_use"]
    return Said(text, calls, cut=message.stop_reason == "max_tokens")


def send(client: anthropic.Anthropic, body: dict[str, Any], streamed: bool) -> Any:
    """The message; one that is streamed is put together by the client's own code."""
    own = {name: body[name] for name in ("model", "max_tokens", "messages")}
    beyond = {name: value for name, value in body.items() if name not in own}
    if not streamed:
        return client.messages.create(**own, extra_body=beyond)
    with client.messages.stream(**own, extra_body=beyond) as stream:
        return stream.get_final_message()


def check(client: anthropic.Anthropic, streamed: bool) -> None:
    """Hold that all requests have the answers of a run."""
    assert len(REQUESTS) >= 40
    for asked in REQUESTS:
        check_same(said(send(client, body_of(asked), streamed)), by_local_run(inputs_of(asked)))


@pytest.fixture(scope="module")
def client(instance: Instance) -> Iterator[anthropic.Anthropic]:
    with client_of(instance.url, TOKEN) as client:
        yield client


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_forty_requests_have_the_answers_of_local_run(client: anthropic.Anthropic, streamed: bool) -> None:
    check(client, streamed)
