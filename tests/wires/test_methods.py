"""Every published path by the methods that it does not have: 405 with `Allow`, in the shape of its API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.providers.started import CONFIG, TOKEN
from tests.wires.conftest import Instance
from theoryctl_providers.server.app import DIALECTS

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
#: The header that tells a dialect from others with the same path.
MARKS = {"Anthropic": {"anthropic_version": "2023-06-01"}, "Gemini": {"x_goog_api_key": TOKEN}}


def published() -> Iterator[tuple[str, str, frozenset[str]]]:
    """Each dialect with each of its paths, and the methods that it has there."""
    for dialect in (make(CONFIG) for make in DIALECTS):
        for path in sorted({path for _, path in dialect.routes}):
            methods = frozenset(method for method, known in dialect.routes if known == path)
            yield dialect.name, re.sub(r"\{\w+\}", "x-1", path), methods


PATHS = list(published())


@pytest.mark.parametrize(("name", "path", "methods"), PATHS, ids=[f"{name} {path}" for name, path, _ in PATHS])
def test_a_method_that_a_path_does_not_have_is_a_405_that_names_those_it_has(
    instance: Instance, name: str, path: str, methods: frozenset[str]
) -> None:
    headers = {"authorization": f"Bearer {TOKEN}", **MARKS.get(name, {})}
    for method in METHODS:
        if method not in methods:
            answer = instance.ask(path, b"{}", method, **headers)
            assert (method, answer.status) == (method, 405)
            assert set(answer.headers["allow"].split(", ")) == methods | ({"HEAD"} if "GET" in methods else set())
            check_shape(name, json.loads(answer.body), f"there is no {method} {path}, only ")


def check_shape(name: str, document: dict[str, Any], message: str) -> None:
    """Compare an error with those of its API, by their keys."""
    error = document["error"]
    if name == "Ollama":
        assert error.startswith(message)
        return
    assert error["message"].startswith(message)
    if name in ("OpenAI", "Azure"):
        assert (error["type"], error["code"]) == ("invalid_request_error", "unknown_url")
    elif name == "Anthropic":
        assert (document["type"], set(error)) == ("error", {"type", "message"})
    elif name == "Gemini":
        assert (error["code"], error["status"]) == (405, "UNIMPLEMENTED")


def test_a_model_whose_name_has_a_colon_is_still_a_model(instance: Instance) -> None:
    key = {"authorization": f"Bearer {TOKEN}"}
    for path in ("/v1/models/llama3:8b", "/v1beta/models/llama3:8b"):
        assert instance.ask(path, None, "GET", **key).status == 200


def test_a_head_is_answered_as_a_get(instance: Instance) -> None:
    key = {"authorization": f"Bearer {TOKEN}"}
    assert instance.ask("/v1/models", None, "HEAD", **key).status == 200
    assert instance.ask("/v1/chat/completions", None, "HEAD", **key).headers["allow"] == "POST"
