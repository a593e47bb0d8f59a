"""Schemas of answers, which a request brings: that of `response_format`, and that of the tool that must be called."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from theoryctl_providers.contract import ProviderError
from theoryctl_providers.inputs.tools import forced_tool
from theoryctl_providers.inputs.validate import compile_schema

#: How much of a prompt is searched for a schema: characters of a text, and places where one may begin.
_SEARCHED, _PLACES = 200_000, 32


class AnswerSchema(NamedTuple):
    """A JSON Schema, its name, and the input that it stands in."""

    schema: Any
    name: str
    where: str

    def validator(self) -> Any:
        """Compile it. Raises ProviderError `ERR_INPUTS` for one that is not of draft 2020-12."""
        try:
            return compile_schema(self.schema)
        except ValueError as error:
            reason = str(error).partition("\n")[0]
            message = f"inputs: $.{self.where}: {self.name!r} is not a JSON Schema: {reason}"
            raise ProviderError("ERR_INPUTS", message, hint="fix the schema", param=self.where) from None


def response_schema(inputs: Mapping[str, Any]) -> AnswerSchema | None:
    """Return the schema in `response_format`; None where none is asked for."""
    wanted = inputs.get("response_format")
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        return None
    named = wanted.get("json_schema") or {}
    return AnswerSchema(named.get("schema", {"type": "object"}), named.get("name", "answer"), "response_format")


def prompt_schema(texts: Iterable[str]) -> AnswerSchema | None:
    """Return the last JSON Schema of objects that stands in the texts of a prompt; None where none does."""
    found = [schema for text in texts for schema in _objects(text[:_SEARCHED]) if _is_schema(schema)]
    return AnswerSchema(found[-1], "answer", "response_format") if found else None


def _objects(text: str) -> Iterator[Any]:
    """The JSON objects that stand in a text, but for those inside of another."""
    decoder, end = json.JSONDecoder(), 0
    for place in [found.start() for found in re.finditer(r"\{", text)][:_PLACES]:
        if place >= end:
            try:
                value, end = decoder.raw_decode(text, place)
            except (ValueError, RecursionError):
                continue
            yield value


def _is_schema(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("properties"), dict) and value.get("type", "object") == "object"


def tool_schema(tool: Mapping[str, Any], where: str = "tools") -> AnswerSchema:
    """Return the schema of a tool's arguments, which are an object, though tools without any say `{}`."""
    return AnswerSchema({"type": "object", **tool.get("parameters", {})}, tool["name"], where)


def check_schemas(inputs: Mapping[str, Any]) -> None:
    """Refuse schemas of answers that are none, in mock mode and real: vendors do. Raises ProviderError `ERR_INPUTS`."""
    if (schema := response_schema(inputs)) is not None:
        schema.validator()
    choices = (inputs.get("tool_choice"), inputs.get("function_call"))
    if choices != (None, None) and (tool := forced_tool(inputs)) is not None:
        tool_schema(tool, "tools" if inputs.get("tools") else "functions").validator()
