"""Anthropic's tools and choices among them in the vocabulary of chat completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.wires.body import stated, unsupported, word_in, wrong

_CHOICES: Mapping[str | None, str] = {"auto": "auto", "any": "required", "tool": "required", "none": "none"}

#: Keys of a tool that say how its calls are delivered, and change nothing here.
_IGNORED = frozenset(("type", "eager_input_streaming"))


def tools_of(tools: Any) -> Any:
    """Tools with a schema of their own, one level deeper. Raises ProviderError for any other kind."""
    if not isinstance(tools, list):
        return tools
    return [_tool(tool, f"tools[{index}]") for index, tool in enumerate(tools)]


def inputs_of_choice(choice: Any) -> dict[str, Any]:
    """The inputs that a `tool_choice` stands for; none where it is unset. Raises ProviderError `ERR_INPUTS`."""
    if choice is None:
        return {}
    if not isinstance(choice, dict):
        raise wrong("tool_choice", "expected an object")
    kind = choice.get("type")
    chosen: Any = word_in(kind, _CHOICES, "tool_choice.type")
    if kind == "tool":
        chosen = {"type": "function", "function": {"name": choice.get("name")}}
    alone = {"parallel_tool_calls": False} if choice.get("disable_parallel_tool_use") else {}
    return {"tool_choice": chosen, **alone}


def _tool(tool: Any, where: str) -> dict[str, Any]:
    if not isinstance(tool, dict):
        raise wrong(where, "expected an object")
    kind = tool.get("type")
    if kind not in (None, "custom"):
        raise unsupported(
            where, f"a tool of type {kind!r:.200} is Anthropic's own; only those with an input_schema are not"
        )
    return {"type": "function", "function": _function(tool), **_cached(tool)}


def _function(tool: Mapping[str, Any]) -> dict[str, Any]:
    renamed = {"input_schema": "parameters"}
    left_out = _IGNORED | {"cache_control"}
    return stated({renamed.get(name, name): value for name, value in tool.items() if name not in left_out})


def _cached(tool: Mapping[str, Any]) -> dict[str, Any]:
    control = tool.get("cache_control")
    return {} if control is None else {"cache_control": control}
