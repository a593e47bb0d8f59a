"""Gemini's function declarations and choices among them in the vocabulary of chat completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.wires.body import object_in, stated, unsupported, wrong
from theoryctl_providers.wires.gemini.names import camel, json_schema

_MODES = {"AUTO": "auto", "ANY": "required", "NONE": "none", "VALIDATED": "auto"}


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
        declared = given.get("functionDeclarations") or []
        found += [_tool(each, f"tools[{index}].functionDeclarations") for each in declared]
    return found or None


def inputs_of_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs that a `toolConfig` stands for; none where it is unset. Raises ProviderError."""
    calling = camel(object_in(config, "functionCallingConfig"))
    mode = calling.get("mode")
    if mode in (None, "MODE_UNSPECIFIED"):
        return {}
    if mode not in _MODES:
        known = ", ".join(_MODES)
        raise wrong("toolConfig.functionCallingConfig.mode", f"found {mode!r:.60}, expected one of {known}")
    names = calling.get("allowedFunctionNames") or []
    if len(names) > 1:
        where = "toolConfig.functionCallingConfig.allowedFunctionNames"
        raise unsupported(where, "only one function can be chosen")
    chosen = {"type": "function", "function": {"name": names[0]}} if names and mode == "ANY" else _MODES[mode]
    return {"tool_choice": chosen}


def _tool(declared: Any, where: str) -> dict[str, Any]:
    if not isinstance(declared, dict):
        raise wrong(where, "expected a list of objects")
    given = camel(declared)
    schema = given.get("parametersJsonSchema", json_schema(given.get("parameters")))
    function = {"name": given.get("name"), "description": given.get("description"), "parameters": schema}
    return {"type": "function", "function": stated(function)}
