"""The same answer by Gemini's wire, whole and streamed, as by `theoryctl local run`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from google import genai

from tests.providers.started import TOKEN
from tests.wires.asked import ASKED, DOCUMENT, NAMED_TOOL, PICTURE, PICTURES, TWO_PARTS, Said, by_local_run, check_same
from tests.wires.conftest import Instance

REQUESTS = (*ASKED, NAMED_TOOL, PICTURE, PICTURES, DOCUMENT, TWO_PARTS)

_CONFIG = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "max_tokens": "max_output_tokens",
    "stop": "stop_sequences",
}
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}


def client_of(url: str, token: str) -> genai.Client:
    told: Any = {"base_url": url}
    return genai.Client(api_key=token, http_options=told)


def inputs_of(asked: dict[str, Any]) -> dict[str, Any]:
    """The request as `theoryctl local run` takes it; ids of calls are those that the wire gives them."""
    inputs = json.loads(json.dumps({**asked, "model": f"gemini/{asked['model']}"}).replace('"call_1"', '"call_0"'))
    if "response_format" in asked:
        schema = {"name": "answer", "schema": asked["response_format"][1]}
        inputs["response_format"] = {"type": "json_schema", "json_schema": schema}
    # Google's client has these as floats.
    inputs |= {name: float(inputs[name]) for name in ("temperature", "top_p") if name in inputs}
    for message in inputs["messages"]:
        if message["role"] == "tool":
            message["content"] = json.dumps({"result": message["content"]})
    return dict(inputs)


def contents_of(asked: dict[str, Any]) -> list[Any]:
    return [_content(message) for message in asked["messages"] if message["role"] != "system"]


def config_of(asked: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {theirs: asked[ours] for ours, theirs in _CONFIG.items() if ours in asked}
    for message in asked["messages"]:
        if message["role"] == "system":
            config["system_instruction"] = message["content"]
    if "tools" in asked:
        functions = [tool["function"] for tool in asked["tools"]]
        declared = [
            {"name": each["name"], "description": each["description"], "parameters_json_schema": each["parameters"]}
            for each in functions
        ]
        config["tools"] = [{"function_declarations": declared}]
        config["automatic_function_calling"] = {"disable": True}
    if (choice := asked.get("tool_choice")) is not None:
        calling = {"mode": _MODES[choice]} if isinstance(choice, str) else {
            "mode": "ANY", "allowed_function_names": [choice["function"]["name"]]}  # fmt: skip
        config["tool_config"] = {"function_calling_config": calling}
    if "response_format" in asked:
        config |= {"response_mime_type": "application/json", "response_json_schema": asked["response_format"][1]}
    if "extra_body" in asked:
        config["http_options"] = {"extra_body": {"extra_body": asked["extra_body"]}}
    return config


def _content(message: dict[str, Any]) -> dict[str, Any]:
    content = message["content"]
    if message["role"] == "tool":
        response = {"name": "get_weather", "response": {"result": content}}
        return {"role": "user", "parts": [{"function_response": response}]}
    parts = [_part(part) for part in content] if isinstance(content, list) else []
    parts = [{"text": content}] if isinstance(content, str) else parts
    for call in message.get("tool_calls", ()):
        function = call["function"]
        parts.append({"function_call": {"name": function["name"], "args": json.loads(function["arguments"])}})
    return {"role": "model" if message["role"] == "assistant" else "user", "parts": parts}


def _part(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] == "text":
        return {"text": part["text"]}
    is_image = part["type"] == "image_url"
    head, _, data = (part["image_url"]["url"] if is_image else part["file"]["file_data"]).partition(",")
    named = {} if is_image else {"display_name": part["file"]["filename"]}
    return {"inline_data": {"mime_type": head.removeprefix("data:").partition(";")[0], "data": data, **named}}


def send(client: genai.Client, asked: dict[str, Any], streamed: bool) -> Said:
    told: dict[str, Any] = {"model": asked["model"], "contents": contents_of(asked), "config": config_of(asked)}
    models = client.models
    answers: list[Any] = list(models.generate_content_stream(**told)) if streamed else [models.generate_content(**told)]
    parts = [part for answer in answers for part in answer.candidates[0].content.parts]
    calls = [(part.function_call.name, part.function_call.args) for part in parts if part.function_call]
    cut = answers[-1].candidates[0].finish_reason == "MAX_TOKENS"
    return Said("".join(part.text or "" for part in parts), calls, cut)


def check(client: genai.Client, streamed: bool) -> None:
    """Hold that all requests have the answers of a run."""
    assert len(REQUESTS) >= 40
    for asked in REQUESTS:
        check_same(send(client, asked, streamed), by_local_run(inputs_of(asked)))


@pytest.fixture(scope="module")
def client(instance: Instance) -> Iterator[genai.Client]:
    with client_of(instance.url, TOKEN) as client:
        yield client


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_forty_requests_have_the_answers_of_local_run(client: genai.Client, streamed: bool) -> None:
    check(client, streamed)
