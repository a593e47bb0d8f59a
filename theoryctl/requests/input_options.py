"""Inputs given one by one: `-o KEY=VALUE`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from theoryctl.errors import UsageError
from theoryctl.hints import again

_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}

#: The input that a prompt makes.
_MADE_OF_PROMPT = "messages"


def parse_options(options: Sequence[str], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of `KEY=VALUE` arguments. A value is JSON where it is any, and else text.

    It is text too where the JSON Schema of the inputs wants text there and not what the JSON says: `user=42`.
    Raises UsageError for what is not KEY=VALUE, a key given twice, and `messages`, which is made of the prompt.
    """
    found: dict[str, Any] = {}
    for option in options:
        key, equals, text = option.partition("=")
        if not equals or not key:
            raise UsageError(f"-o: expected KEY=VALUE, got {option!r}", hint=_meant(option, options))
        if key == _MADE_OF_PROMPT:
            raise UsageError(
                f"-o {key}: the prompt takes their place", hint="give them with --inputs-json or --inputs-file"
            )
        if key in found:
            raise UsageError(f"-o {key} is given twice", hint=f"give {key} once")
        found[key] = _value(text, schema.get("properties", {}).get(key, {}))
    return found


def _meant(option: str, options: Sequence[str]) -> str:
    """The hint of what is not KEY=VALUE: other programs have -o for the form of the output, and a colon for `=`."""
    rest = [each for each in options if each != option]
    if option == "json":
        return again("print JSON with --json", option=rest or None, json=True)
    if found := re.fullmatch(r"(\w+)[:=]\s*(.+)", option):
        written = "=".join(found.groups())
        return again(f"write it as -o {written}", option=[written if each == option else each for each in options])
    return "write it as -o temperature=0.2"


def _value(text: str, schema: Mapping[str, Any]) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    allowed = _types(schema)
    return text if "string" in allowed and not _kinds(value) & allowed else value


def _kinds(value: Any) -> set[str]:
    kind = _TYPES.get(type(value), "null")
    return {kind, "number"} if kind == "integer" else {kind}


def _types(schema: Mapping[str, Any]) -> set[str]:
    """The types that a schema allows, as far as it says them itself."""
    named = schema.get("type", [])
    found = {named} if isinstance(named, str) else set(named)
    for value in schema.get("enum", []):
        found |= _kinds(value)
    for option in (*schema.get("anyOf", []), *schema.get("oneOf", [])):
        found |= _types(option)
    return found
