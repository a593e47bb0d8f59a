"""The tool that a request forces, whoever answers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from theoryctl_providers.contract import ProviderError
from theoryctl_providers.contract.json_text import cut
from theoryctl_providers.inputs.functions import in_tools

#: The inputs with the choice and with the tools.
Names = tuple[str, str]


def forced_tool(inputs: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the function that `tool_choice` or `function_call` forces; None where the model may answer in words.

    Raises ProviderError `ERR_INPUTS` for a choice that `tools` or `functions` do not have: no vendor takes it.
    """
    asked = in_tools(inputs)
    names = ("tool_choice", "tools") if asked is inputs else ("function_call", "functions")
    choice, tools = asked.get("tool_choice"), asked.get("tools") or ()
    if choice in (None, "auto", "none"):
        return None
    if not tools:
        raise _bad_choice(f"asks for a tool, but {names[1]} has none", names)
    # A manifest's schema may let through tools of other kinds, which are the vendor's to judge.
    found = [tool.get("function") for tool in tools]
    functions: list[Mapping[str, Any]] = [function for function in found if isinstance(function, Mapping)]
    if choice == "required":
        called = _called_this_turn(asked.get("messages") or ())
        uncalled = [function for function in functions if function.get("name") not in called]
        return next(iter([*uncalled, *functions[-1:]]), None)
    name = choice.get("function", {}).get("name") if isinstance(choice, Mapping) else choice
    return None if name is None else _called(str(name), functions, names)


def _called(name: str, functions: Sequence[Mapping[str, Any]], names: Names) -> Mapping[str, Any]:
    for function in functions:
        if function.get("name") == name:
            return function
    known = ", ".join(str(function.get("name")) for function in functions)
    raise _bad_choice(f"names {cut(name)!r}, but {names[1]} has {cut(known)}", names)


def _called_this_turn(messages: Sequence[Mapping[str, Any]]) -> set[str]:
    """The tools called since the user spoke: an agent that is made to call one in each step gets to its end."""
    called: set[str] = set()
    for message in reversed(messages):
        if message.get("role") == "user":
            break
        called.update(call["function"]["name"] for call in message.get("tool_calls") or ())
    return called


def _bad_choice(message: str, names: Names) -> ProviderError:
    hint = f"name one of the {names[1]}, or leave {names[0]} out"
    return ProviderError("ERR_INPUTS", f"inputs: $.{names[0]} {message}", hint=hint, param=names[0])
