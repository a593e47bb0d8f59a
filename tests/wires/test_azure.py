"""Azure's paths of OpenAI's API, by OpenAI's own client for Azure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.providers.started import TOKEN
from tests.wires.conftest import Instance
from tests.wires.test_openai_sameness import at_azures_paths


@pytest.fixture(scope="module")
def client(instance: Instance) -> Iterator[openai.AzureOpenAI]:
    with at_azures_paths(instance.url, TOKEN) as client:
        yield client


def test_responses_embeddings_and_the_newer_paths_are_there_too(client: openai.AzureOpenAI, instance: Instance) -> None:
    assert client.responses.create(model="gpt-x", input="Say hello.").output_text.startswith("Mock answer")
    vectors = client.embeddings.create(model="text-embedding-3-small", input="a")
    assert len(vectors.data[0].embedding) == 1536
    with openai.OpenAI(base_url=f"{instance.url}/openai/v1", api_key=TOKEN, max_retries=0) as newer:
        assert newer.models.list().data[0].id == "openai/gpt-4o-mini"
        asked = newer.chat.completions.create(model="gpt-x", messages=[{"role": "user", "content": "Say hello."}])
    assert "azure/gpt-x" in (asked.choices[0].message.content or "")


def test_responses_files_and_models_are_found_again_below_a_version(client: openai.AzureOpenAI) -> None:
    response = client.responses.create(model="gpt-x", input="Say hello.")
    assert client.responses.retrieve(response.id).output_text == response.output_text
    assert [item.type for item in client.responses.input_items.list(response.id)] == ["message"]
    client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)
    assert client.files.list().data == []
    assert client.models.list().data[0].id == "openai/gpt-4o-mini"


@pytest.mark.parametrize("endpoint", ["/chat/completions", "/v1/chat/completions"])
def test_the_endpoint_of_a_batch_needs_no_version(client: openai.AzureOpenAI, endpoint: Any) -> None:
    body = {"model": "mine", "messages": [{"role": "user", "content": "Say hello."}]}
    line = json.dumps({"custom_id": "a", "method": "POST", "url": endpoint, "body": body})
    file = client.files.create(file=line.encode(), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h")
    assert (batch.status, batch.endpoint) == ("completed", endpoint)
    assert "azure/mine" in client.files.content(batch.output_file_id or "").text


def test_the_deployment_in_the_path_is_the_model(instance: Instance) -> None:
    path = "/openai/deployments/mine/chat/completions?api-version=2024-10-21"
    body = {"model": "other", "messages": [{"role": "user", "content": "Say hello."}]}
    answer = instance.ask(path, body, api_key=TOKEN)
    assert (answer.document["model"], "azure/mine" in str(answer.document)) == ("mine", True)


def test_a_wrong_key_and_an_unknown_path_are_refused_in_openais_shape(instance: Instance) -> None:
    wrong = instance.ask("/openai/v1/chat/completions", {}, api_key="other")
    assert (wrong.status, wrong.error["code"]) == (401, "invalid_api_key")
    assert "the key in api-key" in wrong.error["message"]
    unknown = instance.ask("/openai/nothing", {}, api_key=TOKEN)
    assert (unknown.status, "chat/completions (Azure)" in unknown.error["message"]) == (404, True)
