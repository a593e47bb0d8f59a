"""Put the value that a JSON Schema expects into words: `a number from 0 to 2`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from theoryctl_providers.contract import dumps
from theoryctl_providers.contract.json_text import cut, named_path
from theoryctl_providers.inputs.faults import Fault, branches, options

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

#: The length of a string, in characters, with its words.
_LENGTHS = {"minLength": "a string of at least", "maxLength": "a string of at most"}

#: Rules that lead to others, of which several may be about one value.
_COMBINING = frozenset({"anyOf", "oneOf", "allOf", "not", "if", "then", "else", "dependentSchemas", "$dynamicRef"})
#: Rules on a value that the words of another do not say.
_UNSAID = _COMBINING | {"$ref", "multipleOf", "minLength", "maxLength", "pattern", "format"}
_RULES = _UNSAID | _BOUNDS.keys() | {"type", "enum", "const"}


class Expected(NamedTuple):
    """A value in words. `is_whole`: they say all there is to know of it, no more is in the schema."""

    words: str
    is_whole: bool


def expected(fault: Fault, schema: Mapping[str, Any]) -> Expected | None:
    """The value that was expected where a validator reports an error, or None where that says it best itself.

    Where it is one branch of several, they are all said if each can be. At most 200 characters are said.
    """
    found = _of_rule(fault.error, schema)
    if found is not None and fault.union is not None:
        found = _of_branches(fault.union, schema) or found._replace(is_whole=False)
    if found is None or (words := cut(found.words)) == found.words:
        return found
    return Expected(words, is_whole=False)


def node_of(error: Any, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of the schema that has the rule which was broken."""
    node: Any = schema
    for key in error.schema_path[:-1]:
        node = _part(node, key)
    return node if isinstance(node, dict) else {}


def _of_rule(error: Any, schema: Mapping[str, Any], begin: int = 0) -> Expected | None:
    """The value that one rule expects, and the bounds beside it. `begin`: see `_is_alone`."""
    node, listed = node_of(error, schema), options(error)
    if listed is not None:
        types, words = [], [dumps(option) for option in listed]
    else:
        types = _types_at_fault(error, node)
        words = [_TYPES[name] + (_bounds(node) if name in ("number", "integer") else "") for name in types]
    if not words:
        return _of_length(error, node) or _of_not(error, node)
    others = _UNSAID if listed is None else _UNSAID | _BOUNDS.keys()
    is_whole = _NESTED.isdisjoint(types) and others.isdisjoint(node) and _is_alone(error, schema, begin)
    return Expected(_either(words), is_whole)


def _of_length(error: Any, node: Mapping[str, Any]) -> Expected | None:
    name = error.kind.name
    if name not in _LENGTHS or name not in node:
        return None
    most = node[name]
    return Expected(f"{_LENGTHS[name]} {dumps(most)} character{'' if most == 1 else 's'}", is_whole=False)


def _of_not(error: Any, node: Mapping[str, Any]) -> Expected | None:
    """Words for a type that is excluded; None where more than one type is."""
    excluded = node.get("not") if error.kind.name == "not" else None
    named = excluded.get("type") if isinstance(excluded, dict) and len(excluded) == 1 else None
    return (
        Expected(f"anything but {_TYPES[named]}", is_whole=False)
        if isinstance(named, str) and named in _TYPES
        else None
    )


def _of_branches(union: Any, schema: Mapping[str, Any], begin: int = 0) -> Expected | None:
    """The values that the branches of an anyOf or oneOf expect; None where one of them cannot be put into words."""
    found = [_of_branch(errors, union, schema) for errors in branches(union)]
    if None in found:
        return None
    said = [each for each in found if each is not None]
    others = {*node_of(union, schema)} - {union.schema_path[-1]}
    is_whole = _RULES.isdisjoint(others) and all(each.is_whole for each in said) and _is_alone(union, schema, begin)
    return Expected(_either(dict.fromkeys(each.words for each in said)), is_whole)


def _of_branch(errors: list[Any], union: Any, schema: Mapping[str, Any]) -> Expected | None:
    """The value that a branch expects; None where it is refused for a part of the value, or words do not say it."""
    first, begin = errors[0], len(union.evaluation_path)
    if first.instance_path != union.instance_path:
        return None
    said = (_of_branches if branches(first) else _of_rule)(first, schema, begin)
    return said and said._replace(is_whole=said.is_whole and len(errors) == 1)


def _is_alone(error: Any, schema: Mapping[str, Any], begin: int) -> bool:
    """Return whether no other rule is about the value: on the way to the broken one the schema only leads on.

    The way is looked at from its part number `begin`.
    """
    way = list(_way(error.evaluation_path[:-1], schema))[begin:]
    left_by_reference = [node for node, key in way if key == "$ref"]
    return _COMBINING.isdisjoint(str(key) for _, key in way) and all(
        _RULES.isdisjoint({*node} - {"$ref"}) for node in left_by_reference
    )


def _way(path: Iterable[str | int], schema: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str | int]]:
    """The parts of a schema along a path, each with the key by which it is left."""
    node: Any = schema
    for key in path:
        yield node if isinstance(node, dict) else {}, key
        node = _part(node, key)
        if key == "$ref":
            node = _referred(node, schema)


def _referred(pointer: Any, schema: Mapping[str, Any]) -> Any:
    """The part of a schema that a `$ref` within it names by a JSON pointer."""
    node: Any = schema
    for key in unquote(str(pointer)).split("/")[1:]:
        node = _part(node, key.replace("~1", "/").replace("~0", "~"))
    return node


def _part(node: Any, key: str | int) -> Any:
    """The part of a schema at a key; an empty one where the key leads elsewhere. A pointer has indices as text."""
    if isinstance(node, dict):
        return node.get(named_path(node, [key])[0], {})
    index = int(key) if str(key).isdecimal() else -1
    return node[index] if isinstance(node, list) and 0 <= index < len(node) else {}


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
