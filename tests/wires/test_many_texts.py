"""Texts of one request for embeddings: how many there may be is said, and how many there are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.providers.started import TOKEN
from tests.wires.conftest import Instance

PATHS: Any = [
    ("/v1/embeddings", "input", "a"),
    ("/v1/embeddings", "input", [1, 2]),
    ("/api/embed", "input", "a"),
    ("/v1beta/models/m:batchEmbedContents", "requests", {"content": {"parts": [{"text": "a"}]}}),
]


@pytest.mark.parametrize(("path", "name", "text"), PATHS)
def test_more_texts_than_a_request_may_have_are_counted(instance: Instance, path: str, name: str, text: Any) -> None:
    def ask(count: int) -> Any:
        model = {} if name == "requests" else {"model": "m", "dimensions": 1}
        return instance.ask(path, {**model, name: [text] * count}, authorization=f"Bearer {TOKEN}")

    answer = ask(2049)
    assert answer.status == 400
    told = json.loads(answer.body)["error"]
    told = told if isinstance(told, str) else told["message"]
    assert told == f"inputs: $.{name}: expected at most 2048 items, got 2049 (shorten {name} to 2048 items)"
    assert name == "requests" or ask(2048).status == 200
