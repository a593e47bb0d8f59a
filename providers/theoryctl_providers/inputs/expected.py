"""Put the value that a JSON Schema expects into words: `a number from 0 to 2`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from theoryctl_providers.contract import dumps

_TYPES = {
    "string": "a string",
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "array": "an array",
    "object": "an object",
    "null": "null",
}
#: Types that a sentence cannot say whole.
_NESTED = {"array", "object"}

#: The bounds of a number, with their words.
_BOUNDS = {
    "minimum": "of at least",
    "exclusiveMinimum": "above",
    "maximum": "of at most",
    "exclusiveMaximum": "below",
}


def expected(error: Any, node: Mapping[str, Any]) -> str | None:
    """The value that was expected where a validator reports an error, or None where that says it best itself.

    `node` is the part of the schema in which the broken rule stands.
    """
    if error.kind.name == "enum":
        return _either(map(dumps, error.kind.options))
    types = _types_at_fault(error, node)
    return _either(_TYPES[name] + (_bounds(node) if name in ("number", "integer") else "") for name in types) or None


def is_whole(error: Any) -> bool:
    """Return whether `expected` says all there is to know of the value: no more is in the schema."""
    return error.kind.name in ("enum", *_BOUNDS) or (error.kind.name == "type" and _NESTED.isdisjoint(error.kind.types))


def _types_at_fault(error: Any, node: Mapping[str, Any]) -> list[str]:
    if error.kind.name == "type":
        return list(error.kind.types)
    named = node.get("type", "number") if error.kind.name in _BOUNDS else []
    return [named] if isinstance(named, str) else list(named)


def _bounds(node: Mapping[str, Any]) -> str:
    found = {name: dumps(node[name]) for name in _BOUNDS if name in node}
    if found.keys() == {"minimum", "maximum"}:
        return f" from {found['minimum']} to {found['maximum']}"
    said = " and ".join(f"{_BOUNDS[name]} {bound}" for name, bound in found.items())
    return f" {said}" if said else ""


def _either(options: Iterable[str]) -> str:
    return " or ".join(options)
