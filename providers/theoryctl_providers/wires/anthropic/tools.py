"""Anthropic's tools and choices among them in the vocabulary of chat completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.contract import dumps
from theoryctl_providers.wires.anthropic.client_tools import client_tool
from theoryctl_providers.wires.body import check_keys, stated, unsupported, word_in, wrong

_CHOICES: Mapping[str | None, str] = {"auto": "auto", "any": "required", "tool": "required", "none": "none"}

#: Keys of a tool that say how its calls are made and delivered, and change nothing here.
_IGNORED = frozenset(("type", "eager_input_streaming", "allowed_callers", "defer_loading"))
#: Keys of a function. Those of a tool that is one are left to the engine, which checks them.
_FUNCTION = ("name", "description", "parameters", "strict")


def tools_of(tools: Any) -> Any:
    """Tools that clients run, as functions. Raises ProviderError for those that Anthropic runs itself."""
    if not isinstance(tools, list):
        return tools
    return [_tool(tool, f"tools[{index}]") for index, tool in enumerate(tools)]


def inputs_of_choice(choice: Any) -> dict[str, Any]:
    """The inputs that a `tool_choice` stands for; none where it is unset. Raises ProviderError `ERR_INPUTS`."""
    if choice is None:
        return {}
    if not isinstance(choice, dict):
        raise wrong("tool_choice", "expected an object")
    check_keys(choice, ("type", "name", "disable_parallel_tool_use"), "tool_choice")
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
    given = tool if kind in (None, "custom") else client_tool(tool)
    if given is None:
        raise unsupported(where, f"a tool of type {kind!r:.200} has no counterpart in other vendors' APIs")
    function = _function(given)
    if given is not tool:
        check_keys(function, _FUNCTION, where)
    return {"type": "function", "function": function, **_cached(tool)}


def _function(tool: Mapping[str, Any]) -> dict[str, Any]:
    renamed = {"input_schema": "parameters"}
    left_out = _IGNORED | {"cache_control", "input_examples"}
    function = stated({renamed.get(name, name): value for name, value in tool.items() if name not in left_out})
    return function | _exemplified(tool)


def _exemplified(tool: Mapping[str, Any]) -> dict[str, Any]:
    """The description with the examples of the input, which a function has no other place for."""
    examples, told = tool.get("input_examples"), tool.get("description")
    if not examples or not isinstance(told, str | None):
        return {}
    listed = f"Examples of its input: {dumps(examples)}"
    return {"description": f"{told}\n\n{listed}" if told else listed}


def _cached(tool: Mapping[str, Any]) -> dict[str, Any]:
    control = tool.get("cache_control")
    return {} if control is None else {"cache_control": control}
