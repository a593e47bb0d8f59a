"""Requests of Ollama's clients that load a model or drop it, and ask it nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.providers.started import TOKEN, serving
from tests.real.vendor import Vendor
from tests.wires.conftest import Instance, real_config, scripted
from tests.wires.test_ollama import ASK, chat, client_of, error_of, post, text_of

#: Durations, and what they do with a model: one of no length drops it.
KEPT: Any = [
    *((kept, "load") for kept in ("5m", -1, "-1s", 0.5, "1ns", "0h1m")),
    *((kept, "unload") for kept in (0, 0.0, -0.0, "0", "-0", "0s", "0ms", "0h0m", "0.0s", ".0s", "+0µs")),
]


@pytest.mark.parametrize(
    ("path", "said", "more"),
    [
        ("/api/chat", {"messages": []}, {"message": {"role": "assistant", "content": ""}}),
        ("/api/chat", {}, {"message": {"role": "assistant", "content": ""}}),
        ("/api/generate", {}, {"response": ""}),
        ("/api/generate", {"prompt": "", "stream": False}, {"response": ""}),
    ],
)
@pytest.mark.parametrize(("kept", "reason"), KEPT)
def test_a_request_that_says_nothing_loads_a_model_or_drops_it(
    instance: Instance, path: str, said: Any, more: Any, kept: Any, reason: str
) -> None:
    answer = post(instance, {"model": "llama3.2", "keep_alive": kept, **said}, path)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    told = {"model": "llama3.2", "created_at": "2000-01-01T00:00:00Z", "done": True, "done_reason": reason}
    assert answer.document == {**told, **more}


@pytest.mark.parametrize(
    "kept",
    ["", "soon", "5", "5 m", "m", "-", "1h 2m", "1d", "1" * 99_999, True, [], {}],
    ids=lambda kept: repr(kept)[:20],
)
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/chat", {}),
        ("/api/chat", {"messages": [{"role": "user", "content": "x"}]}),
        ("/api/generate", {"prompt": "x"}),
        ("/api/embed", {"input": "x"}),
        ("/api/embeddings", {"prompt": "x"}),
    ],
)
def test_a_keep_alive_that_is_no_duration_is_a_400(instance: Instance, path: str, said: Any, kept: Any) -> None:
    answer = post(instance, {"model": "llama3.2", "keep_alive": kept, **said}, path)
    assert answer.status == 400
    assert "$.keep_alive: expected a number of seconds or a duration" in error_of(answer)


def test_a_keep_alive_of_null_is_unset(instance: Instance) -> None:
    assert post(instance, {"model": "llama3.2", "keep_alive": None}, "/api/chat").document["done_reason"] == "load"


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


#: What is no list of messages, no prompt and no text, by the place where it stands.
OTHERS: Any = {
    ("/api/chat", "messages"): ("", {}, 0, False),
    ("/api/generate", "prompt"): ([], {}, 0, False),
    ("/api/embed", "input"): ({}, 0, False),
    ("/api/embeddings", "prompt"): ([], {}, 0, False),
}


@pytest.mark.parametrize(("path", "said"), OTHERS)
def test_what_is_of_another_type_is_not_nothing(instance: Instance, path: str, said: str) -> None:
    for other in OTHERS[path, said]:
        answer = post(instance, {"model": "llama3.2", said: other}, path)
        assert (answer.status, f"$.{said}" in error_of(answer)) == (400, True), (other, answer.body)


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate", "/api/embed"])
def test_a_load_names_its_model(instance: Instance, path: str) -> None:
    answer = post(instance, {}, path)
    assert answer.status == 400
    assert "$.model: expected string" in error_of(answer)


def test_a_question_is_still_answered(instance: Instance) -> None:
    asked = {**ASK, "keep_alive": 0, "stream": False}
    answer = instance.ask("/api/chat", asked, authorization=f"Bearer {TOKEN}")
    assert answer.document["message"]["content"].startswith("Mock answer")
