"""Gemini's function declarations and choices among them in the vocabulary of chat completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.wires.body import list_in, object_in, stated, unsupported, word_in, wrong
from theoryctl_providers.wires.gemini.names import camel, json_schema

_MODES: Mapping[str | None, str] = {"AUTO": "auto", "ANY": "required", "NONE": "none", "VALIDATED": "auto"}


def tools_of(tools: Any) -> list[dict[str, Any]] | None:
    """Every declared function; None where there is none. Raises ProviderError for tools of any other kind."""
    if tools is None:
        return None
    found = []
    for index, tool in enumerate(tools if isinstance(tools, list) else [tools]):
        if not isinstance(tool, dict):
            raise wrong(f"tools[{index}]", "expected an object")
        given = camel(tool)
        if others := [name for name in given if name != "functionDeclarations"]:
            raise unsupported(f"tools[{index}].{others[0][:100]}", "only functions are not Gemini's own")
        where = f"tools[{index}].functionDeclarations"
        found += [_tool(each, where) for each in list_in(given.get("functionDeclarations"), where)]
    return found or None


def inputs_of_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs that a `toolConfig` stands for; none where it is unset. Raises ProviderError."""
    calling = camel(object_in(config, "functionCallingConfig"))
    where, mode = "toolConfig.functionCallingConfig", calling.get("mode")
    if mode in (None, "MODE_UNSPECIFIED"):
        return {}
    chosen = word_in(mode, _MODES, f"{where}.mode")
    names = list_in(calling.get("allowedFunctionNames"), f"{where}.allowedFunctionNames")
    if len(names) > 1:
        raise unsupported(f"{where}.allowedFunctionNames", "only one function can be chosen")
    one = {"type": "function", "function": {"name": names[0]}} if names and mode == "ANY" else None
    return {"tool_choice": one or chosen}


def _tool(declared: Any, where: str) -> dict[str, Any]:
    if not isinstance(declared, dict):
        raise wrong(where, "expected a list of objects")
    given = camel(declared)
    schema = given.get("parametersJsonSchema", json_schema(given.get("parameters")))
    function = {"name": given.get("name"), "description": given.get("description"), "parameters": schema}
    return {"type": "function", "function": stated(function)}
