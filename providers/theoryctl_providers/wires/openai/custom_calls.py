"""Calls of custom tools in messages of chat completions, as calls of their functions."""

from __future__ import annotations

from typing import Any

from theoryctl_providers.wires.body import object_in, wrong
from theoryctl_providers.wires.openai.tools import custom_arguments


def in_functions(messages: Any) -> Any:
    """Messages whose calls are all of functions. Raises ProviderError `ERR_INPUTS` for a custom call that is none."""
    if not isinstance(messages, list):
        return messages
    return [_message(message, f"messages[{index}]") for index, message in enumerate(messages)]


def _message(message: Any, where: str) -> Any:
    calls = message.get("tool_calls") if isinstance(message, dict) else None
    if not isinstance(calls, list) or not any(map(_is_custom, calls)):
        return message
    written = [_call(call, f"{where}.tool_calls[{index}]") for index, call in enumerate(calls)]
    return {**message, "tool_calls": written}


def _is_custom(call: Any) -> bool:
    return isinstance(call, dict) and call.get("type") == "custom"


def _call(call: Any, where: str) -> Any:
    if not _is_custom(call):
        return call
    if not isinstance(call.get("custom"), dict):
        raise wrong(f"{where}.custom", "expected an object")
    custom = object_in(call, "custom")
    arguments = custom_arguments(custom.get("input"), f"{where}.custom")
    function = {"name": custom.get("name"), "arguments": arguments}
    kept = {name: value for name, value in call.items() if name != "custom"}
    return {**kept, "type": "function", "function": function}
