"""The same answer by OpenAI's and Azure's paths, whole and streamed, as by `theoryctl local run`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai
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

#: What OpenAI's client has no argument for.
_BEYOND = ("top_k", "extra_body")


def client_of(url: str, token: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key=token, max_retries=0)


def at_azures_paths(url: str, token: str) -> openai.OpenAI:
    return openai.AzureOpenAI(azure_endpoint=url, api_key=token, api_version="2024-10-21", max_retries=0)


def body_of(asked: dict[str, Any]) -> dict[str, Any]:
    """The request as OpenAI's client takes it, and `theoryctl local run`."""
    if "response_format" not in asked:
        return asked
    schema = {"name": "answer", "schema": asked["response_format"][1]}
    return {**asked, "response_format": {"type": "json_schema", "json_schema": schema}}


def send(client: openai.OpenAI, body: dict[str, Any], streamed: bool) -> Said:
    told: dict[str, Any] = {name: value for name, value in body.items() if name not in _BEYOND}
    beyond = {name: body[name] for name in _BEYOND if name in body}
    if not streamed:
        (choice,) = client.chat.completions.create(**told, extra_body=beyond).choices
        calls = [(call.function.name, call.function.arguments) for call in choice.message.tool_calls or ()]
        return _said(choice.message.content or "", calls, choice.finish_reason)
    chunks: list[Any] = list(client.chat.completions.create(**told, extra_body=beyond, stream=True))
    choices = [choice for chunk in chunks for choice in chunk.choices]
    pieces = [call for choice in choices for call in choice.delta.tool_calls or ()]
    calls = [
        (piece.function.name, "".join(each.function.arguments for each in pieces if each.index == piece.index))
        for piece in pieces
        if piece.function.name
    ]
    return _said("".join(choice.delta.content or "" for choice in choices), calls, choices[-1].finish_reason)


def _said(text: str, calls: list[tuple[str, str]], reason: str) -> Said:
    cut = reason == "length"
    return Said(text, [(name, None if cut else json.loads(arguments)) for name, arguments in calls], cut)


def check(client: openai.OpenAI, streamed: bool) -> None:
    """Hold that all requests have the answers of a run."""
    assert len(REQUESTS) >= 40
    vendor = "azure" if isinstance(client, openai.AzureOpenAI) else "openai"
    for asked in REQUESTS:
        body = body_of(asked)
        check_same(send(client, body, streamed), by_local_run({**body, "model": f"{vendor}/{body['model']}"}))


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("make", [client_of, at_azures_paths])
def test_forty_requests_have_the_answers_of_local_run(
    instance: Instance, make: Callable[[str, str], openai.OpenAI], streamed: bool
) -> None:
    with make(instance.url, TOKEN) as client:
        check(client, streamed)
