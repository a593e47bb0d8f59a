"""Gemini's function declarations and choices among them in the vocabulary of chat completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.wires.body import check_keys, list_in, object_in, stated, unsupported, word_in, wrong
from theoryctl_providers.wires.gemini.names import camel, json_schema

#: Keys of a declaration (google-genai 3.6, types.FunctionDeclaration). What it returns, and when, changes nothing.
_DECLARED = ("name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema", "behavior")
_MODES: Mapping[str | None, str] = {"AUTO": "auto", "ANY": "required", "NONE": "none", "VALIDATED": "auto"}


def inputs_of_tools(tools: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs that `tools` and a `toolConfig` stand for. Raises ProviderError."""
    functions = _tools(tools)
    if others := [name for name in config if name != "functionCallingConfig"]:
        raise unsupported(f"toolConfig.{others[0]:.100}", "only functions are not Gemini's own")
    calling = camel(object_in(config, "functionCallingConfig"))
    where, mode = "toolConfig.functionCallingConfig", calling.get("mode")
    check_keys(calling, ("mode", "allowedFunctionNames"), where)
    names = list_in(calling.get("allowedFunctionNames"), f"{where}.allowedFunctionNames")
    chosen: Any = None if mode in (None, "MODE_UNSPECIFIED") else word_in(mode, _MODES, f"{where}.mode")
    if len(names) == 1 and mode == "ANY":
        chosen = {"type": "function", "function": {"name": names[0]}}
    elif names:
        functions = _allowed(functions or [], names, f"{where}.allowedFunctionNames")
    return stated({"tools": functions, "tool_choice": chosen})


def _allowed(functions: list[dict[str, Any]], names: list[Any], where: str) -> list[dict[str, Any]]:
    declared = [each["function"].get("name") for each in functions]
    if unknown := [name for name in names if name not in declared]:
        raise wrong(where, f"expected names of declared functions, got {unknown[0]!r:.60}")
    return [each for each, name in zip(functions, declared, strict=True) if name in names]


def _tools(tools: Any) -> list[dict[str, Any]] | None:
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
        declared = enumerate(list_in(given.get("functionDeclarations"), where))
        found += [_tool(each, f"{where}[{at}]") for at, each in declared]
    return found or None


def _tool(declared: Any, where: str) -> dict[str, Any]:
    if not isinstance(declared, dict):
        raise wrong(where, "expected an object")
    given = camel(declared)
    check_keys(given, _DECLARED, where)
    schema = given.get("parametersJsonSchema", json_schema(given.get("parameters")))
    function = {"name": given.get("name"), "description": given.get("description"), "parameters": schema}
    return {"type": "function", "function": stated(function)}
