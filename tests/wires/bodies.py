"""Right bodies for each path of the wires, with most of the parts that its API knows."""

from __future__ import annotations

from typing import Any

from tests.wires.asked import PDF, PNG

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

_FUNCTION = {"name": "f", "description": "d", "parameters": _SCHEMA}
_TOOLS = [
    {"type": "function", "function": _FUNCTION},
    {"type": "custom", "custom": {"name": "c", "description": "d", "format": {"type": "text"}}},
]
_CHAT = {
    "model": "m",
    "messages": [
        {"role": "developer", "content": "s"},
        {"role": "user", "name": "u", "content": [
            {"type": "text", "text": "x"},
            {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
            {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}}]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "2", "type": "custom", "custom": {"name": "c", "input": "x"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "4"},
        {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "4"}]},
        {"role": "assistant", "content": "x", "reasoning_content": "h"},
        {"role": "user", "content": "x"},
    ],
    "tools": _TOOLS,
    "tool_choice": {"type": "custom", "custom": {"name": "c"}},
    "n": 2,
    "stop": ["a"],
    "max_completion_tokens": 9,
    "metadata": {"a": "b"},
    "extra_body": {"top_k": 2},
    "stream": True,
    "stream_options": {"include_usage": True},
}  # fmt: skip
_ALLOWED = {
    "model": "m",
    "messages": [{"role": "user", "content": "x"}],
    "tools": _TOOLS,
    "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
        {"type": "function", "function": {"name": "f"}}, {"type": "custom", "custom": {"name": "c"}}]}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": _SCHEMA}},
}  # fmt: skip
_ITEMS = [
    {"role": "user", "content": [
        {"type": "input_text", "text": "x"},
        {"type": "input_image", "image_url": PNG, "detail": "low"},
        {"type": "input_file", "file_data": PDF, "filename": "a.pdf"}]},
    {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": "e"},
    {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "1", "output": "4"},
    {"type": "custom_tool_call", "call_id": "2", "name": "c", "input": "x"},
    {"type": "custom_tool_call_output", "call_id": "2", "output": [{"type": "input_text", "text": "x"}]},
    {"type": "shell_call", "call_id": "3", "action": {"commands": ["ls"]}},
    {"type": "shell_call_output", "call_id": "3", "output": [
        {"stdout": "", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]},
    {"type": "apply_patch_call", "call_id": "5", "operation": {"type": "create_file", "path": "a", "diff": "+"}},
    {"type": "apply_patch_call_output", "call_id": "5", "status": "completed", "output": "x"},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x", "annotations": []}]},
    {"role": "user", "content": "x"},
]  # fmt: skip
_RESPONSES = {
    "model": "m",
    "instructions": "i",
    "input": _ITEMS,
    "tools": [
        {"type": "function", **_FUNCTION},
        {"type": "custom", "name": "c", "format": {"type": "text"}},
        {"type": "namespace", "name": "ns", "tools": [{"type": "function", "name": "g", "parameters": {}}]},
        {"type": "shell"},
    ],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [
        {"type": "function", "name": "f"}, {"type": "shell"}, {"type": "namespace", "name": "ns"}]},
    "text": {"format": {"type": "json_schema", "name": "a", "schema": _SCHEMA}, "verbosity": "low"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "max_output_tokens": 9,
    "include": ["reasoning.encrypted_content"],
}  # fmt: skip

#: Paths and bodies.
BODIES: tuple[tuple[str, Any], ...] = (
    ("/v1/chat/completions", _CHAT),
    ("/v1/chat/completions", _ALLOWED),
    ("/v1/responses", _RESPONSES),
    ("/v1/completions", {"model": "m", "prompt": ["x"], "max_tokens": 3, "stop": ["a"]}),
    ("/v1/embeddings", {"model": "m", "input": ["a", "b"], "dimensions": 3, "encoding_format": "base64"}),
    ("/v1/moderations", {"model": "m", "input": [{"type": "text", "text": "x"}]}),
    ("/v1/messages", _ANTHROPIC),
    ("/v1/messages/count_tokens", {name: _ANTHROPIC[name] for name in ("model", "system", "messages", "tools")}),
    ("/api/chat", _OLLAMA),
    ("/api/generate", _GENERATE),
    ("/api/embed", {"model": "m", "input": ["a"], "dimensions": 3, "truncate": True}),
    ("/api/show", {"model": "m"}),
    ("/openai/deployments/m/chat/completions", {"messages": [{"role": "user", "content": "x"}], "stream": True}),
    ("/v1beta/models/m:generateContent", _GEMINI),
    ("/v1beta/models/m:streamGenerateContent", _GEMINI),
    ("/v1beta/models/m:batchEmbedContents", _EMBED),
)
