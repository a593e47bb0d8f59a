"""The tool that a request forces, whoever answers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from theoryctl_providers.contract import ProviderError
from theoryctl_providers.contract.json_text import cut


def forced_tool(inputs: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the function that `tool_choice` forces; None where the model may answer in words.

    Raises ProviderError `ERR_INPUTS` for a choice that `tools` do not have: no vendor takes it.
    """
    choice, tools = inputs.get("tool_choice"), inputs.get("tools") or ()
    if choice in (None, "auto", "none"):
        return None
    if not tools:
        raise _bad_choice("tool_choice asks for a tool, but tools has none")
    # A manifest's schema may let through tools of other kinds, which are the vendor's to judge.
    found = [tool.get("function") for tool in tools]
    functions: list[Mapping[str, Any]] = [function for function in found if isinstance(function, Mapping)]
    if choice == "required":
        called = _called_this_turn(inputs.get("messages") or ())
        uncalled = [function for function in functions if function.get("name") not in called]
        return next(iter([*uncalled, *functions[-1:]]), None)
    name = choice.get("function", {}).get("name") if isinstance(choice, Mapping) else choice
    return None if name is None else _called(str(name), functions)


def _called(name: str, functions: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    for function in functions:
        if function.get("name") == name:
            return function
    names = ", ".join(str(function.get("name")) for function in functions)
    raise _bad_choice(f"tool_choice names {cut(name)!r}, but tools has {cut(names)}")


def _called_this_turn(messages: Sequence[Mapping[str, Any]]) -> set[str]:
    """The tools called since the user spoke: an agent that is made to call one in each step gets to its end."""
    called: set[str] = set()
    for message in reversed(messages):
        if message.get("role") == "user":
            break
        called.update(call["function"]["name"] for call in message.get("tool_calls") or ())
    return called


def _bad_choice(message: str) -> ProviderError:
    hint = "name one of the tools, or leave tool_choice out"
    return ProviderError("ERR_INPUTS", f"inputs: $.{message}", hint=hint, param="tool_choice")
