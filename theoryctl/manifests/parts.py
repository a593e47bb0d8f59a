"""Parts of the JSON Schema of a provider's inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any
from urllib.parse import unquote

from theoryctl.errors import UsageError
from theoryctl.hints import again


def schema_of(names: Sequence[str], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of these inputs alone: their properties, and what those refer to.

    Raises UsageError for an input that the schema does not know.
    """
    _check(names, schema)
    kept: dict[str, Any] = {"type": "object", "properties": {}}
    waiting = [("properties", name) for name in names]
    while waiting:
        room, name = waiting.pop(0)
        parts = kept.setdefault(room, {})
        known = schema.get(room)
        if name not in parts and isinstance(known, dict) and name in known:
            parts[name] = known[name]
            waiting += _referred(known[name])
    return kept


def _check(names: Sequence[str], schema: Mapping[str, Any]) -> None:
    known = schema.get("properties", {})
    for at, name in enumerate(names):
        if name in known:
            continue
        near = get_close_matches(name, known, n=1)
        right = [*names[:at], *near, *names[at + 1 :]]
        hint = again(f"use --input {near[0]}" if near else "leave it out", input_=right or None)
        raise UsageError(f"--input: expected an input of the provider, got {name!r}"[:200], hint=hint)


def _referred(node: Any) -> Iterator[tuple[str, str]]:
    """Yield the parts that a schema refers to, such as `("$defs", "tool")`."""
    if isinstance(node, dict):
        pointer = node.get("$ref")
        if isinstance(pointer, str) and len(keys := unquote(pointer).split("/")) > 2 and keys[0] == "#":
            yield keys[1], keys[2].replace("~1", "/").replace("~0", "~")
    for below in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _referred(below)
