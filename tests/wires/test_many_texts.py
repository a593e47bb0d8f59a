"""Texts of one request for embeddings: as many as the model's vendor takes, where it is known how many that are."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tests.providers.started import CONFIG, TOKEN, serving
from tests.wires.conftest import Instance
from theoryctl_providers.contract import ProviderConfig

CONTENT = {"content": {"parts": [{"text": "a"}]}}
GEMINIS = "/v1beta/models/m:batchEmbedContents"

#: Of each path: the name of the list, an item of it, the vendor of a model there, and how many items that takes.
LIMITED: Any = [
    ("/v1/embeddings", "input", "a", "openai", 2048),
    ("/v1/embeddings", "input", [1, 2], "openai", 2048),
    ("/openai/deployments/m/embeddings", "input", "a", "azure", 2048),
    (GEMINIS, "requests", CONTENT, "gemini", 100),
]


def ask(instance: Instance, path: str, name: str, items: list[Any], model: str = "m", **headers: str) -> Any:
    """Ask for vectors, and return the status with the document."""
    body = {name: items} if path == GEMINIS else {"model": model, "dimensions": 1, name: items}
    answer = instance.ask(path, body, authorization=f"Bearer {TOKEN}", **headers)
    return answer.status, json.loads(answer.body)


@pytest.mark.parametrize(("path", "name", "text", "vendor", "most"), LIMITED)
def test_more_texts_than_the_vendor_of_the_model_takes_are_counted(
    instance: Instance, path: str, name: str, text: Any, vendor: str, most: int
) -> None:
    status, told = ask(instance, path, name, [text] * (most + 1))
    assert (status, told["error"]["message"]) == (
        400,
        f"inputs: $.{name}: expected at most {most} texts for a model of {vendor}, got {most + 1}"
        f" (shorten {name} to {most} items)",
    )
    assert ask(instance, path, name, [text] * most)[0] == 200


@pytest.mark.parametrize(("path", "model"), [("/api/embed", "m"), ("/v1/embeddings", "mistral/mistral-embed")])
def test_a_vendor_of_which_no_limit_is_known_has_none_in_a_mock(instance: Instance, path: str, model: str) -> None:
    status, told = ask(instance, path, "input", ["a"] * 3000, model)
    assert (status, len(told.get("embeddings") or told["data"])) == (200, 3000)


def test_the_tokens_of_one_text_are_not_several_texts(instance: Instance) -> None:
    status, told = ask(instance, "/v1/embeddings", "input", [1] * 3000)
    assert (status, len(told["data"])) == (200, 1)


@pytest.mark.usefixtures("litellm", "only_loopback")
def test_a_vendor_says_itself_how_many_texts_are_too_many(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/embed").respond_with_json({"error": "2999 texts are enough"}, status=400)
    secrets = {"LLM_API_BASE": httpserver.url_for("").rstrip("/")}
    provider = ProviderConfig(provider="litellm", mode="real", secrets=secrets)
    with serving(replace(CONFIG, provider=provider)) as (port, _):
        status, told = ask(Instance(port), "/api/embed", "input", ["a"] * 3000)
    assert (status, "2999 texts are enough" in told["error"]) == (400, True)
    assert len(json.loads(httpserver.log[0][0].get_data())["input"]) == 3000


PICTURE: Any = {"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}]}}


@pytest.mark.parametrize(
    ("requests", "hint"),
    [
        ([CONTENT, {**CONTENT, "outputDimensionality": 8}], "give all requests the same"),
        ([CONTENT, PICTURE], "send parts with text in requests[1].content"),
    ],
    ids=["several sizes", "a picture"],
)
def test_texts_that_have_no_vectors_together_are_refused_with_what_to_send(
    instance: Instance, requests: Any, hint: str
) -> None:
    status, told = ask(instance, GEMINIS, "requests", requests)
    assert (status, told["error"]["message"].endswith(f"({hint})")) == (400, True), told
