"""A mock's structured outputs: a predictable instance for each schema of OpenAI's strict subset, or a refusal."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

import theoryctl_providers
from tests.providers.mock.schema_strategies import (
    FORMATS,
    PATTERNS,
    Schema,
    accepts,
    closed,
    documents,
    doubling,
    items_of,
    optional_self,
    strict_schemas,
)
from theoryctl_providers.mock.sampling.sampler import sample
from theoryctl_providers.mock.sampling.schema import CannotSample


def array(**limits: int) -> Schema:
    return {"type": "array", "items": {"type": "null"}, **limits}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(strict_schemas())
def test_every_schema_of_the_strict_subset_gets_an_instance_that_the_validator_accepts(schema: Schema) -> None:
    instance = sample(schema)
    assert accepts(schema, instance), instance
    assert json.loads(json.dumps(instance)) == instance


@settings(max_examples=200, deadline=None)
@given(documents())
def test_whatever_is_not_a_schema_is_refused_rather_than_crashed_on(document: Any) -> None:
    try:
        sample(document)
    except CannotSample as refusal:
        assert refusal.path.startswith("$")


# --- what instances look like


def test_an_ordinary_schema_gives_an_instance_that_reads_well() -> None:
    person = closed(
        name={"type": "string"},
        age={"type": "integer", "minimum": 18},
        score={"type": "number"},
        active={"type": "boolean"},
        role={"enum": ["admin", "user"]},
        tags={"type": "array", "items": {"type": "string"}},
        nickname={"type": ["string", "null"]},
        version={"const": 2},
        nothing={"type": "null"},
    )
    assert sample(person) == {
        "name": "mock name",
        "age": 18,
        "score": 0,
        "active": True,
        "role": "admin",
        "tags": ["mock tags"],
        "nickname": "mock nickname",
        "version": 2,
        "nothing": None,
    }


def test_an_instance_can_be_changed_without_changing_the_schema() -> None:
    schema: dict[str, Any] = {"const": {"list": []}}
    sample(schema)["list"].append(1)
    assert schema == {"const": {"list": []}}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param({"enum": ["a", 3, 4], "type": "integer"}, 3, id="enum and type"),
        pytest.param({"enum": [1, 5, 9], "minimum": 4}, 5, id="enum and minimum"),
        pytest.param({"enum": ["a", "bbb"], "minLength": 2}, "bbb", id="enum and minLength"),
        pytest.param({"enum": ["a", "b1"], "pattern": r"\d"}, "b1", id="enum and pattern"),
        pytest.param({"enum": ["a", None], "type": ["null", "string"]}, "a", id="enum and types"),
        pytest.param({"enum": [0, False], "type": "boolean"}, False, id="false is not zero"),
        pytest.param({"enum": [{"a": 1}], "type": "object"}, {"a": 1}, id="enum of objects"),
        pytest.param({"const": {"deep": [1]}}, {"deep": [1]}, id="const"),
        pytest.param({"const": None}, None, id="const null"),
        pytest.param({"anyOf": [{"enum": [1, 2]}, {"enum": [3]}], "enum": [3, 2]}, 2, id="enum and anyOf"),
        pytest.param({"type": ["null", "string"]}, None, id="first type"),
        pytest.param({"type": ["integer", "null"], "minimum": 5, "maximum": 4}, None, id="first type that can be met"),
        pytest.param(True, "mock value", id="anything"),
        pytest.param({}, "mock value", id="no keywords"),
        pytest.param({"properties": {}}, {}, id="an object by its keywords"),
        pytest.param({"maxItems": 2}, ["mock value"], id="an array by its keywords"),
        pytest.param({"minimum": 2}, 2, id="a number by its keywords"),
        pytest.param({"minLength": 1}, "mock value", id="a string by its keywords"),
        pytest.param(array(), [None], id="one item unless told otherwise"),
        pytest.param(array(minItems=0), [None], id="minItems 0"),
        pytest.param(array(minItems=3), [None] * 3, id="minItems 3"),
        pytest.param(array(maxItems=0), [], id="maxItems 0"),
        pytest.param(array(maxItems=5), [None], id="maxItems 5"),
        pytest.param({"type": "array", "items": False}, [], id="no possible items"),
        pytest.param({"format": "date-time"}, "2024-01-01T00:00:00Z", id="date-time"),
        pytest.param({"format": "email"}, "user@example.com", id="email"),
        pytest.param({"format": "uuid"}, "00000000-0000-4000-8000-000000000000", id="uuid"),
        pytest.param({"type": "string", "format": "password"}, "mock value", id="an unknown format"),
        pytest.param({"format": "uuid", "pattern": "^ffff"}, "ffff", id="a pattern that the format misses"),
        pytest.param({"type": "string", "minLength": 12}, "mock valuexx", id="minLength"),
        pytest.param({"type": "string", "maxLength": 6}, "mock v", id="maxLength"),
        pytest.param({"type": "string", "maxLength": 0}, "", id="maxLength 0"),
    ],
)
def test_the_first_value_that_fits_all_keywords_is_taken(schema: Schema, expected: object) -> None:
    assert sample(schema) == expected
    assert type(sample(schema)) is type(expected)


def test_the_outermost_string_takes_the_name_it_is_given_cut_by_code_points() -> None:
    assert sample({"type": "string"}, name="city") == "mock city"
    assert sample({"type": "string", "maxLength": 6}, name="été") == "mock é"
    assert sample({"type": "string", "maxLength": 6}, name="\U0001f600") == "mock \U0001f600"


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({}, 0),
        ({"minimum": 18}, 18),
        ({"exclusiveMinimum": 18}, 19),
        ({"maximum": -3}, -3),
        ({"exclusiveMaximum": -3}, -4),
        ({"minimum": -5, "maximum": 5}, 0),
        ({"minimum": 0.5}, 1),
        ({"minimum": 7, "multipleOf": 5}, 10),
        ({"maximum": -7, "multipleOf": 5}, -10),
        ({"minimum": 1, "multipleOf": 2.5}, 5),
        ({"exclusiveMinimum": 10, "minimum": 10}, 11),
        ({"minimum": 2**70}, 2**70),
    ],
)
def test_integers_are_the_ones_nearest_zero(bounds: Schema, expected: int) -> None:
    instance = sample({"type": "integer", **bounds})
    assert (instance, type(instance)) == (expected, int)
    assert accepts({"type": "integer", **bounds}, instance)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"minimum": 0.5}, 0.5),
        ({"minimum": 0.25, "multipleOf": 0.1}, 0.3),
        ({"exclusiveMinimum": 0.3, "multipleOf": 0.1}, 0.4),
        ({"maximum": -0.25, "multipleOf": 0.05}, -0.25),
        ({"exclusiveMinimum": 0.1, "exclusiveMaximum": 0.2}, 0.15),
        ({"exclusiveMaximum": 0}, -1),
        ({"minimum": -10, "maximum": -5.5}, -5.5),
        ({"minimum": 19.99, "multipleOf": 0.01}, 19.99),
        ({"minimum": 1e-9, "multipleOf": 1e-10}, 1e-9),
    ],
)
def test_numbers_are_the_ones_nearest_zero_in_decimal_not_binary_fractions(bounds: Schema, expected: float) -> None:
    assert sample({"type": "number", **bounds}) == expected
    assert accepts({"type": "number", **bounds}, expected)


@pytest.mark.parametrize(
    "schema",
    [
        *({"format": name} for name in FORMATS),
        *({"pattern": pattern} for pattern in PATTERNS),
        {"format": "email", "minLength": 30},
        {"format": "uri", "minLength": 40},
        {"pattern": "^[a-z]+(-[a-z]+)*$", "minLength": 20, "maxLength": 20},
        {"pattern": "foo", "minLength": 20, "maxLength": 20},
        {"pattern": "foo$", "minLength": 20},
        {"pattern": "^(ab){2,}$", "minLength": 9},
        {"pattern": "^(a|b[0-9]*)$", "minLength": 5},
    ],
    ids=str,
)
def test_formats_and_patterns_are_met_at_any_length_and_whatever_the_name(schema: Schema) -> None:
    schema = {"type": "string", **schema}
    assert accepts(schema, sample(schema))
    assert sample(schema) == sample(schema, name="other")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"^[a-z]{3,8}-[0-9]+$", "aaa-0"),
        (r"^(long|no|on)$", "no"),
        (r"^\w+\s\D\S\W$", "a aa-"),
        (r"^[^a-zA-Z0-9]$", "-"),
        (r"^x*?y+?$", "y"),
        (r"foo", "foo"),
        (r"^[\u0400-\u04ff]$", "\u0400"),
    ],
)
def test_patterns_give_their_smallest_match(pattern: str, expected: str) -> None:
    assert sample({"pattern": pattern}) == expected


def test_a_format_wins_over_a_pattern_that_it_meets() -> None:
    # What zod writes for an e-mail address.
    pattern = r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$"
    emails = closed(**{f"email{n}": {"format": "email", "pattern": pattern} for n in range(1000)})
    assert set(sample(emails).values()) == {"user@example.com"}


def test_anyof_gives_the_first_branch_that_can_be_met_together_with_its_siblings() -> None:
    choice = [{"type": "integer", "minimum": 1, "maximum": 0}, {"required": ["b"]}, {"required": ["a"]}]
    assert sample({"type": "object", "properties": {"a": {}, "b": {}}, "anyOf": choice}) == {"b": "mock b"}


# --- beyond the strict subset


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (items_of({"type": "string"}, 3), ["mock value", "mock value 2", "mock value 3"]),
        (items_of({"type": "integer", "maximum": 2}, 3), [0, -1, -2]),
        (items_of({"type": "boolean"}, 2), [True, False]),
        (items_of({"enum": ["a", "b", "c"]}, 3), ["a", "b", "c"]),
        (items_of({"pattern": "^[A-Z]$"}, 2), ["A", "B"]),
        (items_of({"format": "date"}, 2), ["2024-01-01", "2024-01-02"]),
        (items_of(closed(id={"type": "integer", "minimum": 1}), 2), [{"id": 1}, {"id": 2}]),
        ({"prefixItems": [{"const": 1}, {"const": 2}], "items": {"const": 3}, "minItems": 4}, [1, 2, 3, 3]),
        ({"allOf": [{"minimum": 3}, {"type": "integer"}, {"multipleOf": 2}]}, 4),
        ({"$defs": {"N": {"type": "integer"}}, "$ref": "#/$defs/N", "minimum": 7}, 7),
    ],
)
def test_unique_items_prefixes_and_conjunctions_are_met(schema: Schema, expected: object) -> None:
    assert sample(schema) == expected


def test_optional_properties_are_left_out_unless_there_would_be_too_few() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "null"}, "b": {"const": 1}}, "required": ["b"]}
    assert sample(schema) == {"b": 1}
    assert sample({**schema, "minProperties": 3}) == {"a": None, "b": 1, "property1": "mock property1"}


def test_required_properties_without_a_schema_of_their_own_follow_the_patterns_or_the_rest() -> None:
    schema = {
        "required": ["x_a", "other"],
        "patternProperties": {"^x_": {"type": "integer"}},
        "additionalProperties": {"type": "boolean"},
    }
    assert sample(schema) == {"x_a": 0, "other": True}


# --- references and recursion


@pytest.mark.parametrize("pointer", ["#/$defs/a~1b", "#/definitions/m~0n", "#/%24defs/100%25", "#/allOf/0"])
def test_references_are_json_pointers_in_a_fragment(pointer: str) -> None:
    five = {"const": 5}
    schema = {"$defs": {"a/b": five, "100%": five}, "definitions": {"m~n": five}, "allOf": [five]}
    assert sample({**schema, "$ref": pointer}) == 5


def test_recursion_goes_three_references_deep() -> None:
    linked = closed(value={"type": "integer"}, next={"anyOf": [{"$ref": "#"}, {"type": "null"}]})
    end: Any = None
    for _ in range(4):
        end = {"value": 0, "next": end}
    assert sample(linked) == end


def test_recursion_through_arrays_ends_with_an_empty_one() -> None:
    tree = closed(children={"type": "array", "items": {"$ref": "#"}})
    assert sample(tree) == {"children": [{"children": [{"children": [{"children": []}]}]}]}


def test_a_reference_that_stands_first_in_its_own_choice_does_not_hang() -> None:
    assert sample({"anyOf": [{"$ref": "#"}] * 30 + [{"type": "string"}]}) == "mock value"


# --- determinism


def run(python: str, program: str, stdin: str = "", seed: str = "0") -> subprocess.CompletedProcess[str]:
    providers = str(Path(theoryctl_providers.__file__).parent.parent)
    env = {**os.environ, "PYTHONPATH": providers, "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([python, "-c", program], input=stdin, env=env, capture_output=True, text=True, check=False)


def interpreters() -> list[str]:
    """This Python and those of the other supported versions that have the validator."""
    found = [shutil.which(f"python3.{minor}") for minor in range(11, 15)]
    return [sys.executable, *(path for path in found if path and run(path, "import jsonschema_rs").returncode == 0)]


PROGRAM = """
import json, sys
from theoryctl_providers.mock.sampling.sampler import sample
for schema in json.load(sys.stdin):
    print(json.dumps(sample(schema)))
"""


def test_the_bytes_are_the_same_for_every_hash_seed_and_python() -> None:
    schemas: list[Schema] = [{"pattern": pattern} for pattern in PATTERNS] + [{"format": name} for name in FORMATS]
    schemas += [optional_self(4), doubling(5), {"type": "number", "minimum": 0.25, "multipleOf": 0.1}]
    expected = "".join(json.dumps(sample(schema)) + "\n" for schema in schemas)
    for python in interpreters():
        for seed in ("0", "1", "4242"):
            assert run(python, PROGRAM, json.dumps(schemas), seed).stdout == expected, python


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = "{'random', 'asyncio', 'fractions', 'decimal', 'urllib.parse', 'json', 'jsonschema_rs'}"
    program = "import sys\nbefore = set(sys.modules)\nimport theoryctl_providers.mock.sampling.sampler\n"
    program += f"print(sorted((set(sys.modules) - before) & {heavy}))"
    assert run(sys.executable, program).stdout == "[]\n"
