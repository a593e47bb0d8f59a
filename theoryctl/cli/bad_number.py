"""Say which number an option takes, where it was given another value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from theoryctl.cli.arguments import read

_NUMBERS = {"int": "a whole number", "float": "a number"}


def bad_number(arguments: Sequence[str], param: Any) -> str | None:
    """The message of an option whose value Typer refused; None where it takes no number, or none was typed."""
    if param is None or (typed := read(arguments).options.get(param.opts[0])) is None:
        return None
    expected = _NUMBERS.get(param.type.name.removesuffix(" range"))  # as in typer._click.types
    return f"{param.opts[0]}: expected {expected}{_range(param.type)}, got {typed!r:.100}" if expected else None


def _range(kind: Any) -> str:
    lowest, highest = getattr(kind, "min", None), getattr(kind, "max", None)
    if lowest is not None and highest is not None:
        return f" from {lowest} to {highest}"
    if lowest is not None:
        return f" of at least {lowest}"
    return "" if highest is None else f" of at most {highest}"
