"""Inputs against a provider's JSON Schema: every problem at once, each with its path and the near miss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from theoryctl_providers.contract import ProviderError, Remedy, dumps, loads
from theoryctl_providers.contract.json_text import json_path

# One compiled validator a schema object; the schema is kept beside it so that its id stays its own.
_validators: dict[int, tuple[Mapping[str, Any], Any]] = {}
_MOST_VALIDATORS = 64


def check_inputs(inputs: Any, schema: Mapping[str, Any] | None) -> None:
    """Validate `inputs` against a JSON Schema (draft 2020-12); None stands for OpenAI's chat vocabulary.

    Raises ProviderError `ERR_INPUTS` that lists every problem as `path: found …, expected …`.
    """
    schema = chat_schema() if schema is None else schema
    validator = _validator(schema)
    if not validator.is_valid(inputs):  # most are, and this says so in a fraction of the time
        problems = _problems(validator, inputs, schema)
        count = "" if len(problems) == 1 else f"{len(problems)} problems:\n  "
        raise ProviderError(
            "ERR_INPUTS",
            f"inputs: {count}" + "\n  ".join(problem.line for problem in problems),
            hint=Remedy.SCHEMA,
            param=problems[0].param,
        )


def problems_of(document: Any, schema: Mapping[str, Any]) -> list[str]:
    """Every problem that a document has by a JSON Schema, as `path: found …, expected …`."""
    return [problem.line for problem in _problems(_validator(schema), document, schema)]


def compile_schema(schema: Any) -> Any:
    """A jsonschema-rs validator that never fetches anything. Raises ValueError for a schema that is none."""
    # Chosen by measuring: import and one check with jsonschema-rs cost a third of what they cost with jsonschema.
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(schema, retriever=_no_network)


@cache
def chat_schema() -> dict[str, Any]:
    """The schema of chat inputs that the built-in providers' manifests carry, for use without a manifest."""
    return read_schema(Path(__file__).with_name("chat.schema.json"))


@cache
def embeddings_schema() -> dict[str, Any]:
    """The schema of embeddings inputs, in OpenAI's vocabulary; no manifest has another."""
    return read_schema(Path(__file__).with_name("embeddings.schema.json"))


def read_schema(file: Path) -> dict[str, Any]:
    """Read a JSON Schema that comes with the package."""
    return dict(loads(file.read_bytes(), what=file.name))


def _validator(schema: Mapping[str, Any]) -> Any:
    known = _validators.get(id(schema))
    if known is None:
        if len(_validators) >= _MOST_VALIDATORS:
            _validators.clear()
        known = _validators[id(schema)] = (schema, compile_schema(schema))
    return known[1]


def _no_network(uri: str) -> Any:
    raise ValueError(f"{uri} lies outside of this document")


def _problems(validator: Any, document: Any, schema: Mapping[str, Any]) -> list[_Problem]:
    return sorted({_describe(_nearest(error), schema) for error in validator.iter_errors(document)})


class _Problem(NamedTuple):
    """One line on one problem, and the input it is about (None: all of them)."""

    line: str
    param: str | None


def _describe(error: Any, schema: Mapping[str, Any]) -> _Problem:
    at_fault = list(error.instance_path)
    if error.kind.name in ("additionalProperties", "unevaluatedProperties"):
        at_fault.append(error.kind.unexpected[0])
    elif error.kind.name == "required":
        at_fault.append(error.kind.property)
    line = f"{json_path(error.instance_path)}: {_finding(error, schema)}"
    return _Problem(line, json_path(at_fault)[2:] or None)


def _finding(error: Any, schema: Mapping[str, Any]) -> str:
    kind, value = error.kind, error.instance
    match kind.name:
        case "required":
            return f"{kind.property!r} is missing"
        case "additionalProperties" | "unevaluatedProperties":
            declared = _declared(error, schema)
            way = "; a vendor's own parameters go into extra_body" if _takes_extra_body(error, declared) else ""
            return ", ".join(f"unknown key {key!r}{_guess(key, declared)}" for key in kind.unexpected) + way
        case "type":
            return f"found {_found(value)}, expected {_either(kind.types)}"
        case "enum":
            return f"found {_found(value)}, expected {_either(map(dumps, kind.options))}{_guess(value, kind.options)}"
        case _:
            return str(error.message)


def _nearest(error: Any) -> Any:
    """Of an anyOf or oneOf that failed, the problem the writer most likely has: the one met deepest."""
    while branches := [branch for branch in getattr(error.kind, "context", ()) if branch]:
        error = max(branches, key=_reached)[0]
    return error


def _reached(branch: list[Any]) -> tuple[int, bool]:
    """Count the levels that a branch got through before it failed; a wrong type at its door counts least."""
    return max((len(error.instance_path), error.kind.name != "type") for error in branch)


def _declared(error: Any, schema: Mapping[str, Any]) -> list[str]:
    """The property names known where an unknown one was found."""
    node: Any = schema
    for part in error.schema_path[:-1]:
        node = node[part] if isinstance(node, (dict, list)) else {}
    return sorted(node.get("properties", {}))


def _takes_extra_body(error: Any, declared: list[str]) -> bool:
    """Tell whether an unknown key stands beside an `extra_body`, which is for those that only a vendor knows."""
    return not error.instance_path and "extra_body" in declared


def _guess(found: Any, options: Iterable[Any]) -> str:
    texts = [option for option in options if isinstance(option, str)]
    near = get_close_matches(found, texts, n=1) if isinstance(found, str) else []
    return f", did you mean {near[0]!r}?" if near else ""


def _either(options: Iterable[str]) -> str:
    return " or ".join(options)


def _found(value: Any) -> str:
    text = dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
