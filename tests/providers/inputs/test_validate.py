"""Validation messages: every problem at once, each with its path, what was found, and what was expected."""

from __future__ import annotations

from typing import Any

import pytest

from theoryctl_providers.contract import ProviderError, Remedy
from theoryctl_providers.inputs.validate import chat_schema, check_inputs

NO_MORE = {"additionalProperties": False}
FROM_1_TO_128 = "an integer from 1 to 128"
OF_IT = "change 'it' as the provider's schema says"


def problems(inputs: Any, schema: Any = None) -> list[str]:
    with pytest.raises(ProviderError) as caught:
        check_inputs(inputs, schema)
    assert caught.value.code == "ERR_INPUTS"
    lines = caught.value.message.removeprefix("inputs: ").splitlines()
    return [line.strip() for line in lines if not line.endswith("problems:")]


def user(content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}]}


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, "$: 'messages' is missing"),
        ([], "$: expected an object, got []"),
        ({**user("x"), "temprature": 1}, "$: unknown key 'temprature', did you mean 'temperature'?"),
        ({**user("x"), "n": "1"}, '$.n: expected an integer from 1 to 128, got "1"'),
        ({**user("x"), "temperature": 3}, "$.temperature: expected a number from 0 to 2, got 3"),
        ({"messages": [{"role": "usr", "content": "x"}]}, "did you mean 'user'?"),
        ({"messages": [{"rol": "user", "content": "x"}]}, "$.messages[0]: unknown key 'rol', did you mean 'role'?"),
        ({"messages": [{"role": "user"}]}, "$.messages[0]: 'content' is missing"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "$.messages[0]: 'tool_call_id' is missing"),
        (user([{"type": "text"}]), "$.messages[0].content[0]: 'text' is missing"),
        (user([{"type": "txt", "text": "a"}]), '$.messages[0].content[0].type: expected "text" or "image_url"'),
        (user([{"$attach": 1}]), "$.messages[0].content[0].$attach: expected a string, got 1"),
        (user(None), "$.messages[0].content: expected anything but null, got null"),
        ({**user("x"), "model": ""}, '$.model: expected a string of at least 1 character, got ""'),
        ({**user("x"), "stop": 5}, "$.stop: expected a string or an array, got 5"),
        ({**user("x"), "tool_choice": "requird"}, "did you mean 'required'?"),
        ({**user("x"), "tool_choice": "x"}, '$.tool_choice: expected "none" or "auto" or "required" or an object'),
        ({**user("x"), "tool_choice": {}}, "$.tool_choice: 'type' is missing"),
        ({**user("x"), "tools": [{"type": "f", "function": {"name": "f"}}]}, 'type: expected "function", got "f"'),
        ({**user("x"), "response_format": {"type": "json_schema"}}, "$.response_format: 'json_schema' is missing"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_problem_says_where_what_was_found_and_what_was_expected(inputs: Any, expected: str) -> None:
    assert any(expected in problem for problem in problems(inputs)), problems(inputs)


def test_all_problems_are_told_at_once() -> None:
    assert len(problems({"messages": [{"role": "usr", "content": 1}], "n": 0, "x": 1})) == 4


def test_a_long_value_is_shown_short() -> None:
    (problem,) = problems({"messages": "x" * 500})
    assert len(problem) < 120


@pytest.mark.parametrize("name", ["1", "007", "+3"])
def test_a_name_that_reads_as_a_number_is_told_as_a_name(name: str) -> None:
    schema = {"properties": {"metadata": {"properties": {name: {"type": "integer", "minimum": 2}}}}}
    (problem,) = problems({"metadata": {name: 1}}, schema)
    assert problem == f"$.metadata.{name}: expected an integer of at least 2, got 1"
    (unknown,) = problems({name: {"lon": 1}}, {"properties": {name: {"properties": {"long": {}}, **NO_MORE}}})
    assert unknown == f"$.{name}: unknown key 'lon', did you mean 'long'?"
    # Of a large document the place is looked up as well.
    many = {name: [*("x" for _ in range(2000)), 5]}
    (late,) = problems(many, {"properties": {name: {"items": {"type": "string"}}}})
    assert late == f"$.{name}[2000]: expected a string, got 5"


def test_a_long_expectation_is_cut() -> None:
    values = [f"value-{number:05}" * 3 for number in range(3000)]
    (problem,) = problems({"it": "x"}, {"properties": {"it": {"enum": values}}})
    assert problem.startswith('$.it: expected "value-00000') and len(problem) < 250
    (missing,) = problems({}, {"required": ["x" * 30_000]})
    assert len(missing) < 250
    (low,) = problems({"it": 1}, {"properties": {"it": {"type": "integer", "minimum": 10**400}}})
    assert len(low) < 250


def test_a_schema_that_points_elsewhere_fetches_nothing(httpserver: Any) -> None:
    with pytest.raises(ValueError, match="lies outside"):
        check_inputs({}, {"$ref": httpserver.url_for("/x")})
    assert httpserver.log == []


def test_the_schema_without_a_manifest_is_read_once() -> None:
    assert chat_schema() is chat_schema()


@pytest.mark.parametrize(
    ("rule", "value", "hint"),
    [
        ({"type": "number", "minimum": 0, "maximum": 2}, "hot", "set it to a number from 0 to 2"),
        ({"type": "number", "minimum": 0, "maximum": 2}, 7, "set it to a number from 0 to 2"),
        ({"type": "integer", "minimum": 1}, 0, "set it to an integer of at least 1"),
        ({"exclusiveMinimum": 0, "maximum": 1}, 0, "set it to a number above 0 and of at most 1"),
        ({"type": ["integer", "null"], "maximum": 5}, 6, "set it to an integer of at most 5 or null"),
        ({"type": "boolean"}, "yes", "set it to true or false"),
        ({"enum": ["low", "high", 3]}, 5, 'set it to "low" or "high" or 3'),
        ({"enum": [*range(100)]}, "x", OF_IT),
        ({"type": "array"}, "x", OF_IT),
        ({"type": "string", "minLength": 2}, "x", OF_IT),
    ],
    ids=lambda value: str(value)[:50],
)
def test_the_hint_says_the_value_to_set_where_a_few_words_say_it(rule: Any, value: Any, hint: str) -> None:
    schema = {"type": "object", "properties": {"it": rule}}
    with pytest.raises(ProviderError) as caught:
        check_inputs({"it": value}, schema)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("rule", "value", "expected", "is_said"),
    [
        ({"anyOf": [{"type": "number", "minimum": 0}, {"enum": ["a"]}]}, [], 'a number of at least 0 or "a"', True),
        ({"oneOf": [{"const": "a"}, {"const": 1}]}, 2, '"a" or 1', True),
        ({"anyOf": [{"type": "integer", "multipleOf": 5}, {"const": "a"}]}, [], 'an integer or "a"', False),
        ({"anyOf": [{"type": "integer"}, {"const": "a"}], "minimum": 3}, [], 'an integer or "a"', False),
        ({"anyOf": [{"$ref": "#/$defs/level", "multipleOf": 5}, {"const": "a"}]}, [], 'an integer or "a"', False),
        ({"type": "string", "enum": ["a", "b"]}, 5, '"a" or "b"', True),
        ({"type": "integer", "multipleOf": 5}, "x", "an integer", False),
        ({"type": "string", "minLength": 3}, 5, "a string", False),
        ({"allOf": [{"type": "integer"}, {"minimum": 3}]}, "x", "an integer", False),
        ({"$ref": "#/$defs/level"}, "x", "an integer", True),
        ({"$ref": "#/$defs/level", "minimum": 3}, "x", "an integer", False),
        ({"$ref": "#/$defs/level", "description": "How high."}, "x", "an integer", True),
    ],
    ids=str,
)
def test_all_that_may_stand_there_is_said_and_the_hint_says_it_where_no_other_rule_does(
    rule: Any, value: Any, expected: str, is_said: bool
) -> None:
    with pytest.raises(ProviderError) as caught:
        check_inputs({"it": value}, {"properties": {"it": rule}, "$defs": {"level": {"type": "integer"}}})
    assert caught.value.message.startswith(f"inputs: $.it: expected {expected}, got ")
    assert caught.value.hint == (f"set it to {expected}" if is_said else OF_IT)


@pytest.mark.parametrize(
    ("inputs", "hint"),
    [
        ({"temperature": "hot", "n": "x"}, f"set n to {FROM_1_TO_128} and set temperature to a number from 0 to 2"),
        ({"temperature": "hot", "tools": "x"}, "change 'tools' as the provider's schema says"),
        ({"tools": [{"type": "x"}]}, "change 'tools' as the provider's schema says"),
        ({"tools": 1, "response_format": 1}, "change 'response_format', 'tools' as the provider's schema says"),
        ({"temperature": "hot", "temprature": 1}, "change 'temperature' as the provider's schema says"),
        ({"tools": 1, "zzz": 1}, Remedy.SCHEMA),
    ],
    ids=str,
)  # fmt: skip
def test_the_hint_on_several_problems_names_the_inputs_whose_schema_says_more(
    inputs: dict[str, Any], hint: str
) -> None:
    with pytest.raises(ProviderError) as caught:
        check_inputs({**user("x"), **inputs}, None)
    assert caught.value.hint == hint


def test_an_address_among_the_inputs_is_not_sent_into_extra_body_which_refuses_it_too() -> None:
    (problem,) = problems({**user("x"), "api_base": "http://127.0.0.1:9"})
    assert problem == "$: unknown key 'api_base'; no address, credential or setting of LiteLLM is an input"


@pytest.mark.parametrize("name", ["it's", "a', 'b", "x" * 101, "", "a\nb"])
def test_an_input_with_a_name_that_a_sentence_cannot_carry_leads_to_the_whole_schema(name: str) -> None:
    with pytest.raises(ProviderError) as caught:
        check_inputs({name: 1}, {"properties": {name: {"type": "array"}}})
    assert caught.value.hint == Remedy.SCHEMA


def test_a_reference_into_a_list_of_branches_is_followed() -> None:
    branches = {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 3}]}
    schema = {"properties": {"a": branches, "b": {"$ref": "#/properties/a/anyOf/1"}}}
    with pytest.raises(ProviderError, match=r"expected an integer of at least 3, got 1$"):
        check_inputs({"b": 1}, schema)
