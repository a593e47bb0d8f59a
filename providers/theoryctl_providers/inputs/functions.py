"""OpenAI's deprecated `functions` in the words of `tools`, which replaced them: only vendors get them as they came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DEPRECATED = ("functions", "function_call")


def in_tools(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return inputs with `functions` as tools, `function_call` as their choice, and calls of functions as calls of
    tools; inputs without functions as they are."""
    if not any(name in inputs for name in _DEPRECATED):
        return inputs
    kept = {name: value for name, value in inputs.items() if name not in _DEPRECATED}
    functions = [{"type": "function", "function": function} for function in inputs.get("functions") or ()]
    choice = inputs.get("function_call")
    told = {"type": "function", "function": choice} if isinstance(choice, Mapping) else choice
    return {
        **kept,
        "tools": [*(inputs.get("tools") or ()), *functions],
        "tool_choice": inputs.get("tool_choice", told),
        "messages": [_message(message) for message in inputs.get("messages") or ()],
    }


def _message(message: Any) -> Any:
    called = message.get("function_call") if isinstance(message, Mapping) else None
    if not isinstance(called, Mapping):
        return message
    return {**message, "tool_calls": [{"type": "function", "function": called}]}
