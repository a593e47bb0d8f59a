"""The JSON Schema of what `theoryctl runs … --json` prints, made of the ledger's own types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from theoryctl.ledger.queries import GROUPS, Costs
from theoryctl.ledger.row import COLUMNS, Row
from theoryctl.ledger.schema import SCRIPT
from theoryctl.results.runs import SCHEMA

_TYPES = {"str": "string", "int": "integer", "float": "number", "None": "null", "bool": "boolean"}
#: The comment behind a column in the SQL.
_COMMENT = re.compile(r"^  (\w+) [A-Z][^,\n]*,? +-- (.+)$", re.MULTILINE)

_ANY_JSON: dict[str, Any] = {}
_COUNT = {"type": "integer", "minimum": 0}
_STRING = {"type": "string"}
_BOOLEAN = {"type": ["boolean", "null"], "description": "Null where the ledger does not know."}


def runs_schema() -> dict[str, Any]:
    """Return the schema: one document for each command, told apart by its `schema`."""
    documents = {
        "runs": _document(SCHEMA, {"total": _COUNT, "runs": _list(_ref("run"))}, "Runs, the newest first."),
        "costs": _document("theoryctl.runs-cost/v1", _costs(), "Sums of runs by what they are grouped by."),
        "diff": _document("theoryctl.runs-diff/v1", _diff(), "Two runs: the columns and lines that differ."),
        "report": _document("theoryctl.runs-report/v1", {"file": _STRING, "runs": _COUNT, "size": _COUNT}, "A page."),
        "pruned": _document("theoryctl.runs-pruned/v1", {"forgotten": _COUNT, "left": _COUNT}, "Runs were forgotten."),
        "path": _document("theoryctl.runs-path/v1", {"path": _STRING}, "The file of the ledger."),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SCHEMA,
        "description": "The documents of `theoryctl runs`. A line of `runs export --jsonl` is a `run`.",
        "oneOf": [_ref(name) for name in documents],
        "$defs": {**documents, "run": _run(), "content": _content(), "sums": _object(_sums(), "Sums of runs.")},
    }


def _run() -> dict[str, Any]:
    comments = dict(_COMMENT.findall(SCRIPT.partition("CREATE INDEX")[0]))
    columns = {name: _typed(Row.__annotations__[name], comments.get(name)) for name in COLUMNS}
    columns["started_at"]["format"] = "date-time"
    content = {"anyOf": [_ref("content"), {"type": "null"}], "description": "Of `runs show` alone."}
    return {**_object(columns, "A run. What is not known is null."), "properties": {**columns, "content": content}}


def _content() -> dict[str, Any]:
    outputs = _list({"type": "object"})
    answers = {"type": ["object", "null"], "description": "The script or recordings of mock mode, by flag."}
    flags = {name: {"type": "boolean"} for name in ("redacted", "attached")}
    return _object({"inputs": _ANY_JSON, "outputs": outputs, "answers": answers, **flags}, "Inputs and outputs.")


def _costs() -> dict[str, Any]:
    groups = {name: {"type": ["string", "null"]} for name in GROUPS}
    row = {**_object(_sums(), "A group."), "properties": {**groups, **_sums()}}
    return {"by": _list({"enum": [*GROUPS]}), "costs": _list(row), "total": _ref("sums")}


def _diff() -> dict[str, Any]:
    pair = {"type": "array", "prefixItems": [_ANY_JSON, _ANY_JSON], "minItems": 2, "items": False}
    differ = {"type": "object", "propertyNames": {"enum": [*COLUMNS]}, "additionalProperties": pair}
    runs = {**_list(_STRING), "minItems": 2, "maxItems": 2}
    lines = {"type": ["array", "null"], "items": _STRING, "description": "Null unless both runs have content."}
    return {"runs": runs, "fields": differ, "same_inputs": _BOOLEAN, "same_outputs": _BOOLEAN, "lines": lines}


def _sums() -> dict[str, Any]:
    return {each.name: _typed(str(each.type), None) for each in fields(Costs)}


def _typed(annotation: str, description: str | None) -> dict[str, Any]:
    """The schema of a type such as `str | None`."""
    names = [_TYPES[name.strip()] for name in annotation.split("|")]
    typed: dict[str, Any] = {"type": names[0] if len(names) == 1 else names}
    return {**typed, "description": description} if description else typed


def _document(schema: str, properties: Mapping[str, Any], description: str) -> dict[str, Any]:
    return _object({"schema": {"const": schema}, **properties}, description)


def _object(properties: Mapping[str, Any], description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "required": [*properties],
        "additionalProperties": False,
        "properties": dict(properties),
    }


def _list(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": dict(items)}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}
