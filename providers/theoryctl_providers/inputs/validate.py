"""Inputs against a provider's JSON Schema. Most are valid: what is told of the others is in `problems`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from theoryctl_providers.contract import ProviderError, loads

if TYPE_CHECKING:
    from theoryctl_providers.inputs.problems import Report

# One compiled validator a schema object; the schema is kept beside it so that its id stays its own.
_validators: dict[int, tuple[Mapping[str, Any], Any]] = {}
_MOST_VALIDATORS = 64

#: What a vector is made of: a text, or its tokens.
Text = str | Sequence[int]

#: The name of a schema for what refers to its parts.
_WHOLE = "theoryctl:schema"


def check_inputs(inputs: Any, schema: Mapping[str, Any] | None) -> None:
    """Validate `inputs` against a JSON Schema (draft 2020-12); None stands for OpenAI's chat vocabulary.

    Raises ProviderError `ERR_INPUTS` that lists the problems as `path: expected …, got …`, at most 20 of them.
    """
    schema = chat_schema() if schema is None else schema
    if not _validator(schema).is_valid(inputs):  # this is said in a fraction of the time that the problems take
        report = _report(inputs, schema)
        message = f"inputs: {report.head}" + "\n  ".join(report.lines)
        raise ProviderError("ERR_INPUTS", message, hint=report.hint, param=report.problems[0].param)


def problems_of(document: Any, schema: Mapping[str, Any]) -> list[str]:
    """The problems that a document has by a JSON Schema, as `path: expected …, got …`; at most 20."""
    return [] if _validator(schema).is_valid(document) else _report(document, schema).lines


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


def texts_of(given: Any) -> list[Text]:
    """Return the texts of the `input` of embeddings: one or several, each a string or a list of tokens."""
    return [given] if isinstance(given, str) or isinstance(given[0], int) else list(given)


def are_vectors(value: Any, given: Any) -> bool:
    """Return whether a value is a list of vectors of numbers, one of one length for each text of `given`."""
    are_lists = isinstance(value, list) and all(isinstance(vector, list) and vector for vector in value)
    if not are_lists or len(value) != len(texts_of(given)) or len(set(map(len, value))) != 1:
        return False
    return all(map(_are_numbers, value))


def _are_numbers(vector: list[Any]) -> bool:
    """Return whether all are numbers of JSON. Types and sum tell it in a fraction of the time of a look at each."""
    if not all(issubclass(kind, (int, float)) and kind is not bool for kind in set(map(type, vector))):
        return False
    try:
        return isfinite(sum(vector)) or all(map(isfinite, vector))
    except OverflowError:  # an integer that no float can be
        return False


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


def _report(document: Any, schema: Mapping[str, Any]) -> Report:
    from theoryctl_providers.inputs.problems import report

    return report(document, schema, _validator(schema), _compiled_part)


def _compiled_part(schema: Mapping[str, Any], pointer: str) -> Any:
    """A validator of the part of a schema at a JSON pointer."""
    import jsonschema_rs

    registry = jsonschema_rs.Registry([(_WHOLE, dict(schema))], retriever=_no_network)
    part = {"$ref": f"{_WHOLE}#{quote(pointer)}"}
    return jsonschema_rs.Draft202012Validator(part, registry=registry, retriever=_no_network)
