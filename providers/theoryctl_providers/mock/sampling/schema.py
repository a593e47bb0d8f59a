"""Schemas taken apart: their keywords, where they stand, and what several of them say together."""

from __future__ import annotations

import math
from typing import Any

MAX_WORK = 2_000_000  # steps; a few seconds at worst
# Types to guess where none is named, each from the keywords that only speak of it.
HINTS = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "minProperties", "maxProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
    "string": ("pattern", "format", "minLength", "maxLength"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
KEYWORDS = {"$ref", "allOf", "anyOf", "oneOf", "enum", "const", "type", "if", "then", "else"}.union(*HINTS.values())


class CannotSample(ValueError):
    """No instance can be made; `path` is the JSON path of the keyword at fault, such as `$.properties.age.pattern`."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


class Budget:
    """Every loop pays from one budget, so the cost is bounded whatever the schema says."""

    def __init__(self) -> None:
        self.left = MAX_WORK

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise CannotSample("$", f"the schema asks for more than {MAX_WORK:,} steps of work")


class Part:
    """One schema object, equal to itself only, and the tokens that lead to it."""

    __slots__ = ("dead", "where", "words")

    def __init__(self, schema: dict[str, Any] | bool, where: tuple[Any, ...] = ()) -> None:
        self.words: dict[str, Any] = schema if isinstance(schema, dict) else {}
        self.where, self.dead = where, schema is False

    def fault(self, key: str | None, problem: str) -> CannotSample:
        tokens = (*self.where, key) if key else self.where
        return CannotSample(".".join(["$", *map(str, tokens)]), problem)


Node = tuple[Part, ...]


def check(schema: Any, where: tuple[Any, ...] = ()) -> None:
    """Raise CannotSample unless every keyword of `schema` has a value that draft 2020-12 lets it have."""
    import jsonschema_rs

    from theoryctl_providers.contract.json_text import named_path
    from theoryctl_providers.inputs.validate import compile_schema

    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    try:
        # Has a limit on depth, unlike the check of keywords, which would run out of stack.
        compile_schema({"const": schema})
        jsonschema_rs.meta.validate({**schema, **draft} if isinstance(schema, dict) else schema)
    except jsonschema_rs.ValidationError as error:
        path = named_path(schema, error.instance_path)
        raise Part(True, (*where, *path)).fault(None, "draft 2020-12 does not allow this") from None
    except ValueError as error:
        raise Part(True, where).fault(None, f"this is not JSON, or too deep ({error})") from None


def has(node: Node, key: str) -> bool:
    """Return whether any part of a node has a keyword."""
    return any(key in part.words for part in node)


def values(node: Node, key: str) -> list[Any]:
    """Return the values of a keyword, one for each part that has it."""
    return [part.words[key] for part in node if key in part.words]


def fault(node: Node, key: str, problem: str) -> CannotSample:
    """Make the error for a keyword, at the first part that has it."""
    parts = [part for part in node if key in part.words] or [*node, Part(True)]
    return parts[0].fault(key, problem)


def member_lists(node: Node) -> list[list[Any]]:
    """Return the lists of values that `const` and `enum` allow; an instance is in each of them."""
    return [[value] for value in values(node, "const")] + values(node, "enum")


def sizes(node: Node, what: str) -> tuple[int, float]:
    """Return the least and the most that `what`, such as Length or Items, may be."""
    low = max((math.ceil(value) for value in values(node, f"min{what}")), default=0)
    return low, min((math.floor(value) for value in values(node, f"max{what}")), default=math.inf)


def kinds(node: Node) -> list[str]:
    """Return the types all parts allow, in the order of the first that names any, or guess from the keywords."""
    lists = [[value] if isinstance(value, str) else value for value in values(node, "type")]
    if not lists:
        return [next((kind for kind, keys in HINTS.items() if any(has(node, key) for key in keys)), "string")]
    left = lists[0]
    for others in lists[1:]:
        left = [narrow for kind in left if (narrow := _narrowed(kind, others))]
    if not left:
        raise fault(node, "type", "no JSON type is left")
    return left


def _narrowed(kind: str, others: list[str]) -> str | None:
    if kind in others:
        return kind
    return "integer" if {"number": "integer", "integer": "number"}.get(kind) in others else None
