"""Say in our words which arguments Typer's parser refused, as "expected X, got Y"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from theoryctl.cli.arguments import read
from theoryctl.cli.places import name_of

_NUMBERS = {"int": "a whole number", "float": "a number"}


def message_of(error: Any, arguments: Sequence[str]) -> str:
    """The message of an error of Typer's parser, but for those of unknown or misused options."""
    param = getattr(error, "param", None)
    if param is not None and hasattr(error, "param_type"):  # a MissingParameter, which Typer does not export
        return f"expected {_wanted(param)}, got none"
    if number := _bad_number(arguments, param):
        return number
    name = getattr(error, "param_hint", None) or (param and _name(param))
    return f"{name}: {error.message}" if name else str(error.message)


def _wanted(param: Any) -> str:
    """The parameter that is missing, as it is typed."""
    return _name(param) if param.param_type_name == "argument" else f"{_name(param)} {param.metavar}"


def _name(param: Any) -> str:
    return name_of(param) if param.param_type_name == "argument" else str(param.opts[0])


def _bad_number(arguments: Sequence[str], param: Any) -> str | None:
    """The message of an option whose value Typer refused; None where it takes no number, or none was typed."""
    if param is None or (typed := read(arguments).options.get(param.opts[0])) is None:
        return None
    kind = _NUMBERS.get(param.type.name.removesuffix(" range"))  # as in typer._click.types
    expected = _two(param.type) or (kind and f"{kind}{_range(param.type)}")
    return f"{param.opts[0]}: expected {expected}, got {typed!r:.100}" if expected else None


def _two(kind: Any) -> str | None:
    """The values of an option that has two of them, as `--mock-version`."""
    lowest, highest = getattr(kind, "min", None), getattr(kind, "max", None)
    return f"{lowest} or {highest}" if lowest is not None and highest == lowest + 1 else None


def _range(kind: Any) -> str:
    lowest, highest = getattr(kind, "min", None), getattr(kind, "max", None)
    if lowest is not None and highest is not None:
        return f" from {lowest} to {highest}"
    if lowest is not None:
        return f" of at least {lowest}"
    return "" if highest is None else f" of at most {highest}"
