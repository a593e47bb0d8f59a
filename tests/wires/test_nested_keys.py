"""Misspelt keys inside the objects of a request: they would change nothing, and so they are refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.providers.started import TOKEN, serving
from tests.real import said
from tests.real.vendor import Vendor
from tests.wires.conftest import Instance, real_config, tells

ASK: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
FUNCTION = {"name": "f", "input_schema": {"type": "object"}}
BASH = {"type": "bash_20250124", "name": "bash"}
PATHS = {
    "messages": ("/v1/messages", ASK),
    "responses": ("/v1/responses", {"model": "m", "input": "x", "tools": [{"type": "custom", "name": "f"}]}),
    "chat": ("/v1/chat/completions", ASK),
    "completions": ("/v1/completions", {"model": "m", "prompt": "x"}),
    "gemini": ("/v1beta/models/m:generateContent", {}),
}


@pytest.mark.parametrize(
    ("path", "asked", "key"),
    [
        ("messages", {"thinking": {"type": "enabled", "budget_token": 1024}}, "thinking.budget_token"),
        ("messages", {"tools": [FUNCTION], "tool_choice": {"type": "auto", "nam": "f"}}, "tool_choice.nam"),
        ("messages", {"output_config": {"efort": "low"}}, "output_config.efort"),
        (
            "messages",
            {"output_config": {"format": {"type": "json_schema", "schema": {}, "scema": {}}}},
            "output_config.format.scema",
        ),
        ("messages", {"tools": [{**BASH, "strct": True}]}, "tools[0].strct"),
        ("responses", {"reasoning": {"efort": "low"}}, "reasoning.efort"),
        ("responses", {"text": {"verbosty": "low"}}, "text.verbosty"),
        ("responses", {"stream_options": {"include_usage": True}}, "stream_options.include_usage"),
        ("responses", {"tool_choice": {"type": "custom", "name": "f", "mod": 1}}, "tool_choice.mod"),
        ("chat", {"stream": True, "stream_options": {"include_usag": True}}, "stream_options.include_usag"),
        ("completions", {"stream_options": {"include_usag": True}}, "stream_options.include_usag"),
        ("gemini", {"contents": [{"parts": [{"text": "x"}], "rol": "user"}]}, "contents[0].rol"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_misspelt_key_inside_an_object_is_named(
    instance: Instance, path: str, asked: dict[str, Any], key: str
) -> None:
    place, body = PATHS[path]
    answer = instance.ask(place, {**body, **asked}, authorization=f"Bearer {TOKEN}")
    where, _, name = key.rpartition(".")
    assert answer.status == 400
    assert f"$.{where}: unknown key '{name}'" in json.loads(answer.body)["error"]["message"]


@pytest.mark.usefixtures("litellm", "only_loopback")
def test_what_anthropic_is_told_of_an_answer_and_of_its_own_tools_reaches_it() -> None:
    config = {"effort": "low", "task_budget": {"type": "tokens", "total": 20000}}
    asked = {**ASK, "output_config": config, "tools": [{**BASH, "input_examples": [{"command": "ls"}]}]}
    with Vendor(tells(said.Said(text=["Hi"]))) as vendor, serving(real_config(vendor)) as (port, _):
        answer = Instance(port).ask("/v1/messages", asked, authorization=f"Bearer {TOKEN}")
    assert answer.status == 200, answer.body
    (sent,) = (request.body for request in vendor.requests)
    assert sent["output_config"] == config
    assert '{"command": "ls"}' in sent["tools"][0]["description"]
