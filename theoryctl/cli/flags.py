"""Flags that several commands share, declared once: as the fields of a named tuple."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, get_type_hints


def with_flags(kind: type[NamedTuple]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Turn a function with a parameter `flags` into a command with every field of `kind` as an option.

    A field has the annotation and the default that a parameter of a command would have.
    """
    hints = get_type_hints(kind, include_extras=True)
    shared = [_option(name, kind._field_defaults[name], hints[name]) for name in kind._fields]

    def declared(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())
        at = next(index for index, parameter in enumerate(own) if parameter.name == "flags")

        def command(**options: Any) -> None:
            flags = kind._make(options.pop(name) for name in kind._fields)
            function(flags=flags, **options)

        parameters = [*own[:at], *shared, *own[at + 1 :]]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what Typer reads
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        command.__doc__, command.__name__ = function.__doc__, function.__name__
        return command

    return declared


def _option(name: str, default: Any, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation)
