"""Names as Google's APIs take them: `topP` and `top_p` are the same key, `STRING` and `string` the same type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: Keys of a schema whose values are no schemas, or have names of the caller's.
_VALUES = frozenset(("enum", "required", "example", "default"))


def camel(given: Mapping[str, Any]) -> dict[str, Any]:
    """An object without its nulls, with its own keys in the form that Google writes."""
    return {_camel(name): value for name, value in given.items() if value is not None}


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name) if "_" in name else name


def json_schema(schema: Any) -> Any:
    """A schema of OpenAPI as Gemini has it as a JSON Schema: types in lower case, and null among them."""
    if isinstance(schema, list):
        return [json_schema(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    found: dict[str, Any] = {}
    for name, value in camel(schema).items():
        if name == "properties" and isinstance(value, Mapping):
            found[name] = {key: json_schema(item) for key, item in value.items()}
        elif name == "type" and isinstance(value, str):
            found[name] = value.lower()
        elif name not in ("nullable", "propertyOrdering"):
            found[name] = value if name in _VALUES else json_schema(value)
    if schema.get("nullable") and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    # Numbers of limits are texts in Google's JSON.
    limits = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
    return found | {name: int(found[name]) for name in limits if _is_number(found.get(name))}


def _is_number(value: Any) -> bool:
    return isinstance(value, str) and value.isdecimal() and len(value) < 10
