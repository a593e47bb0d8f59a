"""Requests of Ollama's clients that load a model or drop it, and ask it nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.providers.started import TOKEN, serving
from tests.real.vendor import Vendor
from tests.wires.conftest import Instance, real_config, scripted
from tests.wires.test_ollama import ASK, chat, client_of, error_of, post, text_of


@pytest.mark.parametrize(
    ("path", "said", "more"),
    [
        ("/api/chat", {"messages": []}, {"message": {"role": "assistant", "content": ""}}),
        ("/api/chat", {}, {"message": {"role": "assistant", "content": ""}}),
        ("/api/generate", {}, {"response": ""}),
        ("/api/generate", {"prompt": "", "stream": False}, {"response": ""}),
    ],
)
@pytest.mark.parametrize(("kept", "reason"), [("5m", "load"), (-1, "load"), (0, "unload"), ("0s", "unload")])
def test_a_request_that_says_nothing_loads_a_model_or_drops_it(
    instance: Instance, path: str, said: Any, more: Any, kept: Any, reason: str
) -> None:
    answer = post(instance, {"model": "llama3.2", "keep_alive": kept, **said}, path)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    told = {"model": "llama3.2", "created_at": "2000-01-01T00:00:00Z", "done": True, "done_reason": reason}
    assert answer.document == {**told, **more}


def test_vectors_of_nothing_are_none(instance: Instance) -> None:
    nothing: tuple[dict[str, Any], ...] = ({"input": []}, {"input": ""}, {})
    for given in nothing:
        told = post(instance, {"model": "all-minilm", **given}, "/api/embed").document
        assert told == {"model": "all-minilm", "embeddings": []}
    assert post(instance, {"model": "all-minilm", "prompt": ""}, "/api/embeddings").document == {"embedding": []}


def test_a_load_takes_no_answer_of_a_script() -> None:
    script = {"strict": True, "rules": [{"exhausted": "skip", "answers": [{"text": "one"}]}]}
    with client_of(scripted(script)) as client:
        assert client.generate(model="llama3.2").done_reason == "load"
        assert [part.done_reason for part in client.generate(model="llama3.2", stream=True)] == ["load"]
        assert text_of(chat(client)) == "one"


def test_a_load_asks_no_vendor_and_no_key_opens_it() -> None:
    with Vendor(lambda talk: talk.send(500, b"{}")) as vendor, serving(real_config(vendor)) as (port, _):
        instance = Instance(port)
        assert post(instance, {"model": "llama3.2"}, "/api/generate").document["done_reason"] == "load"
        assert post(instance, {"model": "llama3.2"}, "/api/generate", authorization="Bearer no").status == 401
        assert vendor.requests == []


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate", "/api/embed"])
def test_a_load_names_its_model(instance: Instance, path: str) -> None:
    answer = post(instance, {}, path)
    assert answer.status == 400
    assert "$.model: expected string" in error_of(answer)


def test_a_question_is_still_answered(instance: Instance) -> None:
    asked = {**ASK, "keep_alive": 0, "stream": False}
    answer = instance.ask("/api/chat", asked, authorization=f"Bearer {TOKEN}")
    assert answer.document["message"]["content"].startswith("Mock answer")
