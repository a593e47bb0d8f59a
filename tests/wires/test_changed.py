"""Requests of every wire with something wrong in them: never a 500, and always JSON or the pieces of an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.providers.started import TOKEN
from tests.providers.wires.test_fuzz import changed
from tests.wires.asked import PNG
from tests.wires.conftest import Instance

_IMAGE = {"type": "base64", "media_type": "image/png", "data": PNG.partition(",")[2]}
_SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "nullable": True}}}
_ANTHROPIC = {
    "model": "claude-x",
    "max_tokens": 9,
    "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image", "source": _IMAGE}]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "h", "signature": "s"},
            {"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "1"}]},
    ],
    "tools": [{"name": "f", "input_schema": _SCHEMA}],
    "tool_choice": {"type": "auto"},
    "stop_sequences": ["z"],
    "metadata": {"user_id": "u"},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": _SCHEMA}},
    "stream": True,
}  # fmt: skip
_OLLAMA = {
    "model": "llama3.2",
    "messages": [
        {"role": "user", "content": "x", "images": ["iVBORw0KGgo="]},
        {"role": "assistant", "thinking": "h", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]},
        {"role": "tool", "tool_name": "f", "content": "1"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": _SCHEMA}}],
    "options": {"temperature": 1, "num_predict": 9, "num_ctx": 1},
    "format": _SCHEMA,
    "think": "low",
    "keep_alive": "5m",
    "stream": False,
}
_GENERATE = {"model": "llama3.2", "prompt": "x", "system": "s", "images": ["iVBORw0KGgo="], "options": {"seed": 1}}
_GEMINI = {
    "systemInstruction": {"parts": [{"text": "s"}]},
    "contents": [
        {"role": "user", "parts": [{"text": "x"}, {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "s"}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"n": 1}}}]},
    ],
    "tools": [{"functionDeclarations": [{"name": "f", "parameters": _SCHEMA}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
    "generationConfig": {
        "temperature": 1,
        "topK": 3,
        "responseSchema": _SCHEMA,
        "thinkingConfig": {"thinkingBudget": 9},
    },
    "safetySettings": [{"category": "c", "threshold": "t"}],
}
_EMBED = {"requests": [{"model": "m", "content": {"parts": [{"text": "a"}]}, "outputDimensionality": 3}]}

#: A right body of each path.
BODIES: dict[str, Any] = {
    "/v1/messages": _ANTHROPIC,
    "/v1/messages/count_tokens": {name: _ANTHROPIC[name] for name in ("model", "system", "messages", "tools")},
    "/api/chat": _OLLAMA,
    "/api/generate": _GENERATE,
    "/api/embed": {"model": "m", "input": ["a"], "dimensions": 3, "truncate": True},
    "/api/show": {"model": "m"},
    "/openai/deployments/m/chat/completions": {"messages": [{"role": "user", "content": "x"}], "stream": True},
    "/v1beta/models/m:generateContent": _GEMINI,
    "/v1beta/models/m:streamGenerateContent": _GEMINI,
    "/v1beta/models/m:batchEmbedContents": _EMBED,
}
KEYS = {"x_api_key": TOKEN, "api_key": TOKEN, "x_goog_api_key": TOKEN, "authorization": f"Bearer {TOKEN}"}
FORM = settings(
    max_examples=60, derandomize=True, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("path", BODIES)
def test_a_right_body_is_answered(instance: Instance, path: str) -> None:
    answer = instance.ask(path, BODIES[path], **KEYS)
    assert answer.status == 200, answer.body


@pytest.mark.parametrize("path", BODIES)
def test_no_change_of_a_body_is_a_bug_of_ours(instance: Instance, path: str) -> None:
    @FORM
    @given(changed(st.just(BODIES[path])))
    def holds(body: Any) -> None:
        answer = instance.ask(path, json.dumps(body).encode(), **KEYS)
        assert answer.status < 500, (body, answer.body)
        assert answer.status == 200 or json.loads(answer.body)

    holds()
