"""Paths beside the chats of Azure, Gemini and Ollama in real mode: each reaches its vendor, with the vendor's key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import ollama
import openai
import pytest
from google import genai
from pytest_httpserver import HTTPServer
from werkzeug import Request

from tests.providers.started import CONFIG, TOKEN, serving
from tests.real.conftest import CANARY, LITELLM_WARNINGS
from theoryctl_providers.contract import ProviderConfig

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("litellm", "only_loopback")]

TEXTS = ["ab", "abcd"]
VECTORS = [[0.5, 2.0], [0.25, 4.0]]


@contextmanager
def instance(secrets: Mapping[str, str]) -> Iterator[str]:
    """A real instance with these secrets."""
    provider = ProviderConfig(provider="litellm", ref="llm/litellm@1", mode="real", secrets=dict(secrets))
    with serving(replace(CONFIG, provider=provider)) as (port, _):
        yield f"http://127.0.0.1:{port}"


def says(server: HTTPServer, path: str, document: Any) -> str:
    """Have a vendor answer this at a path, and nothing elsewhere. Return its address."""
    server.expect_request(path, method="POST").respond_with_json(document)
    return server.url_for("").rstrip("/")


def asked(server: HTTPServer) -> tuple[Request, Any]:
    """The only request that the vendor got, and its body."""
    ((request, _),) = server.log
    assert TOKEN not in f"{request.url} {request.headers}"
    return request, json.loads(request.data)


def test_azures_deployment_embeds(httpserver: HTTPServer) -> None:
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(VECTORS)]
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    document = {"object": "list", "data": data, "model": "ada", "usage": usage}
    base = says(httpserver, "/openai/deployments/mine/embeddings", document)
    secrets = {"AZURE_API_KEY": CANARY, "AZURE_API_BASE": base, "AZURE_API_VERSION": "2024-10-21"}
    with (
        instance(secrets) as url,
        openai.AzureOpenAI(azure_endpoint=url, api_key=TOKEN, api_version="2024-10-21", max_retries=0) as client,
    ):
        answer = client.embeddings.create(model="mine", input=TEXTS, dimensions=2)
    assert [each.embedding for each in answer.data] == VECTORS
    assert answer.usage.prompt_tokens == 7
    request, body = asked(httpserver)
    assert request.headers["api-key"] == CANARY
    assert (body["input"], body["dimensions"]) == (TEXTS, 2)


def test_gemini_embeds(httpserver: HTTPServer) -> None:
    embeddings = [{"values": vector} for vector in VECTORS]
    document = {"embeddings": embeddings}
    base = says(httpserver, "/v1beta/models/gemini-embedding-001:batchEmbedContents", document)
    with (
        instance({"GEMINI_API_KEY": CANARY, "GEMINI_API_BASE": base}) as url,
        genai.Client(api_key=TOKEN, http_options={"base_url": url}) as client,
    ):
        contents: Any = TEXTS
        config: Any = {"output_dimensionality": 2}
        answer = client.models.embed_content(model="gemini-embedding-001", contents=contents, config=config)
    assert [each.values for each in answer.embeddings or ()] == VECTORS
    request, body = asked(httpserver)
    assert request.headers["x-goog-api-key"] == CANARY
    assert [each["content"]["parts"][0]["text"] for each in body["requests"]] == TEXTS
    assert body["requests"][0]["outputDimensionality"] == 2


@pytest.fixture
def ollamas(httpserver: HTTPServer) -> Iterator[ollama.Client]:
    with instance({"LLM_API_BASE": httpserver.url_for("").rstrip("/")}) as url:
        client = ollama.Client(host=url, headers={"authorization": f"Bearer {TOKEN}"})
        with closing(client._client):
            yield client


def test_ollama_embeds(httpserver: HTTPServer, ollamas: ollama.Client) -> None:
    document = {"model": "nomic-embed-text", "embeddings": VECTORS, "prompt_eval_count": 7}
    says(httpserver, "/api/embed", document)
    answer = ollamas.embed(model="nomic-embed-text", input=TEXTS)
    assert [list(each) for each in answer.embeddings] == VECTORS
    assert answer.prompt_eval_count == 7
    _, body = asked(httpserver)
    assert (body["model"], body["input"]) == ("nomic-embed-text", TEXTS)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_ollama_completes_a_prompt(httpserver: HTTPServer, ollamas: ollama.Client, streamed: bool) -> None:
    said = {"model": "llama3.2", "message": {"role": "assistant", "content": "Hello."}, "done": not streamed}
    end = {"done": True, "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 2}
    last = {**said, "message": {"role": "assistant", "content": ""}, **end}
    lines = [said, last] if streamed else [{**said, **end}]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    httpserver.expect_request("/api/chat", method="POST").respond_with_data(text, content_type="application/x-ndjson")
    told: dict[str, Any] = {"model": "llama3.2", "prompt": "Hi", "system": "Be brief.", "options": {"num_ctx": 99}}
    found = list(ollamas.generate(**told, stream=True)) if streamed else [ollamas.generate(**told)]
    assert "".join(each.response or "" for each in found) == "Hello."
    assert (found[-1].done_reason, found[-1].prompt_eval_count, found[-1].eval_count) == ("stop", 7, 2)
    _, body = asked(httpserver)
    assert [message["content"] for message in body["messages"]] == ["Be brief.", "Hi"]
    assert body["options"] == {"num_ctx": 99}
