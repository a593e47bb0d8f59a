"""Schemas that a mock refuses, each with the keyword at fault, and large ones that it meets in time."""

from __future__ import annotations

import time

import pytest

from tests.providers.mock.schema_strategies import HOSTILE, LARGE, Schema, accepts, closed, items_of
from theoryctl_providers.mock.sampling.sampler import sample
from theoryctl_providers.mock.sampling.schema import CannotSample


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        (False, "$"),
        ({"type": "object", "properties": {"age": False}, "required": ["age"]}, "$.properties.age"),
        (closed(age={"type": "string", "pattern": "("}), "$.properties.age.pattern"),
        (closed(age={"type": "integer", "minimum": 2, "maximum": 1}), "$.properties.age.minimum"),
        (closed(tags={"type": "array", "minItems": 2, "maxItems": 1}), "$.properties.tags.maxItems"),
        (closed(tags={"type": "array", "items": {"enum": []}, "minItems": 1}), "$.properties.tags.items.enum"),
        ({"anyOf": [{"const": 1, "type": "string"}]}, "$.anyOf.0.const"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "$.minLength"),
        ({"type": "string", "format": "uuid", "maxLength": 3}, "$.format"),
        (items_of({"const": 1}, 2), "$.uniqueItems"),
        ({"type": "object", "required": ["a"], "maxProperties": 0}, "$.maxProperties"),
        ({"allOf": [{"type": "string"}, {"type": "null"}]}, "$.allOf.0.type"),
        ({"type": "something"}, "$.type"),
        (closed(age={"minimum": "five"}), "$.properties.age.minimum"),
        ({"$ref": "#/x", "x": {"minimum": "five"}}, "$.x.minimum"),
        ({"$ref": "https://example.com/schema.json"}, "$.$ref"),
        ({"$ref": "#anchor"}, "$.$ref"),
        ({"$ref": "#/$defs/missing"}, "$.$ref"),
        ({"$ref": "#"}, "$.$ref"),
        (closed(next={"$ref": "#"}), "$"),
        ({"anyOf": [{"$ref": "#"}] * 30}, "$"),
        ({"pattern": r"(a|b)\1"}, "$.pattern"),
        ({"pattern": r"\p{L}"}, "$.pattern"),
        ({"pattern": "(?!)"}, "$.pattern"),
        ({"pattern": "a^b"}, "$.pattern"),
        ({"enum": ["\ud800"]}, "$"),
        ({"required": ["a"], "patternProperties": {"(": {}}}, "$.patternProperties"),
    ],
)
def test_a_refusal_names_the_keyword_at_fault(schema: Schema, path: str) -> None:
    with pytest.raises(CannotSample) as refusal:
        sample(schema)
    assert refusal.value.path == path
    assert str(refusal.value).startswith(f"{path}: ")


@pytest.mark.parametrize("schema", HOSTILE.values(), ids=HOSTILE)
def test_hostile_schemas_are_refused_within_seconds(schema: Schema) -> None:
    started = time.process_time()
    with pytest.raises(CannotSample):
        sample(schema)
    assert time.process_time() - started < 20


@pytest.mark.parametrize("schema", LARGE.values(), ids=LARGE)
def test_large_schemas_are_met_within_seconds(schema: Schema) -> None:
    started = time.process_time()
    instance = sample(schema)
    assert time.process_time() - started < 20
    assert accepts(schema, instance)
