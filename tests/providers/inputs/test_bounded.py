"""Reports are bounded: refusing a body costs no more than a few times what accepting one of its size costs."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from theoryctl_providers import ProviderConfig, ProviderError, Request
from theoryctl_providers.contract import Result, dumps, loads
from theoryctl_providers.engine.session import ask
from theoryctl_providers.inputs.validate import check_inputs, problems_of

SIZE = 300_000
#: The bar: refusing costs at most so many times what accepting costs.
BAR = 3.0

Property = Callable[[str, object], None]

USER = {"role": "user", "content": "x"}
MISSPELT = {"rol": "user", "content": "x"}
PART = {"type": "txt", "text": "x"}


def filled(item: Any, size: int = SIZE) -> list[Any]:
    """So many of an item that they fill a body."""
    return [item] * (size // (len(json.dumps(item)) + 2))


def keys(form: str, value: Any) -> dict[str, Any]:
    return {form.format(number): value for number in range(SIZE // (len(form) + 10))}


def chat(**more: Any) -> dict[str, Any]:
    return {"messages": [USER], **more}


#: Bodies that are refused, by what is wrong with them all over.
REFUSED: dict[str, Callable[[], Any]] = {
    "misspelt messages": lambda: {"messages": filled(MISSPELT)},
    "one misspelt message at the end": lambda: {"messages": [*filled(USER), MISSPELT]},
    "unknown keys": lambda: chat(**keys("k{}", 1)),
    "keys near a known one": lambda: chat(**keys("temperature{}", 1)),
    "one long key": lambda: chat(**{"temperature" * (SIZE // 11): 1}),
    "one long role": lambda: {"messages": [{"role": "user" * (SIZE // 4), "content": "x"}]},
    "parts of no kind": lambda: {"messages": [{"role": "user", "content": filled(PART)}]},
    "arrays in arrays": lambda: {"messages": [{"role": "user", "content": filled([PART] * 30)}]},
    "numbers for stops": lambda: chat(stop=filled(1)),
    "texts for biases": lambda: chat(logit_bias=keys("{}", "x")),
    "tools without a name": lambda: chat(tools=filled({"type": "function", "function": {"name": "a b"}})),
    "an array for a text": lambda: chat(user=filled(MISSPELT)),
    "a long mode": lambda: chat(mode="mock" * (SIZE // 4)),
    "a long model": lambda: chat(model="opnai/" + "x" * SIZE),
    "a long reference": lambda: {"messages": [{"role": "user", "content": [{"$attach": "a" * SIZE}]}]},
    "a long choice": lambda: chat(tool_choice={"type": "function", "function": {"name": "f" * SIZE}}),
    "a long key for a credential": lambda: chat(extra_body={"x_" * (SIZE // 2) + "api_key": 1}),
    "credentials everywhere": lambda: chat(extra_body={"a": filled({"api_key": 1})}),
    "arguments that are no JSON": lambda: {
        "messages": filled(
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": {}}]}
        )
    },
}

ACCEPTED = {"messages": filled(USER)}


def served(text: str) -> Result:
    """Do as a server does: read, ask, write."""
    request = Request(config=ProviderConfig(provider="mock"), inputs=loads(text), parsed=True)
    *_, last = ask(request)
    assert isinstance(last, Result)
    dumps(last.envelope)
    return last


def cost(text: str) -> tuple[float, int]:
    """CPU seconds, the least of two, and bytes at the peak."""
    seconds = []
    for _ in range(2):
        start = time.process_time()
        served(text)
        seconds.append(time.process_time() - start)
    tracemalloc.start()
    served(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return min(seconds), peak


@pytest.fixture(scope="module")
def accepting() -> Iterator[tuple[float, int]]:
    text = json.dumps(ACCEPTED)
    assert served(text).envelope["status"] == "success"
    yield cost(text)


@pytest.mark.parametrize("name", REFUSED)
def test_refusing_costs_at_most_three_times_what_accepting_costs(
    name: str, accepting: tuple[float, int], record_property: Property
) -> None:
    text = json.dumps(REFUSED[name]())
    assert SIZE * 0.5 < len(text) < SIZE * 1.5
    error = served(text).envelope["error"]
    assert error is not None
    assert len(error["message"]) + len(error["hint"] or "") <= 20_000
    assert max(map(len, error["message"].splitlines())) <= 3_000
    seconds, peak = (mine / other for mine, other in zip(cost(text), accepting, strict=True))
    record_property("CPU of refusing / accepting", round(seconds, 2))
    record_property("memory of refusing / accepting", round(peak, 2))
    assert max(seconds, peak) <= BAR, (seconds, peak)


def told(inputs: Any, schema: Any = None) -> list[str]:
    with pytest.raises(ProviderError) as caught:
        check_inputs(inputs, schema)
    return [line.strip() for line in caught.value.message.removeprefix("inputs: ").splitlines()]


def test_twenty_problems_are_told_and_the_rest_is_counted() -> None:
    few, many = told({"messages": [USER | {"x": 1}] * 30}), told({"messages": [USER | {"x": 1}] * 30_000})
    assert (few[0], len(few), few[-1]) == ("30 problems:", 22, "and 10 more")
    assert (many[0], len(many), many[-1]) == ("at least 30000 problems:", 22, "and at least 29980 more")


def test_one_problem_among_many_messages_is_told_with_its_place() -> None:
    messages: list[Any] = [dict(USER) for _ in range(20_000)]
    messages[12_345]["content"] = [{"type": "text", "text": "x"}] * 300 + [{"type": "image_url", "image_url": {}}]
    assert told({"messages": messages}) == ["$.messages[12345].content[300].image_url: 'url' is missing"]


#: Schemas, a large value that each refuses, and a part of the report.
LARGE: list[tuple[Any, Callable[[], Any], str]] = [
    ({"maxItems": 100}, lambda: [1] * 5000, "expected at most 100 items, got 5000"),
    ({"minItems": 9000}, lambda: [1] * 5000, "expected at least 9000 items, got 5000"),
    (
        {"items": {"type": "integer"}, "minItems": 3},
        lambda: [*[1] * 5000, "x"],
        "$[5000]: expected an integer, got",
    ),
    ({"prefixItems": [{"const": 2}], "items": {"const": 1}}, lambda: [1] * 5000, "$[0]: "),
    (
        {
            "properties": {
                "x": {
                    "anyOf": [
                        {"maxItems": 100, "items": {"type": "string"}},
                        {"maxItems": 90, "items": {"type": "integer"}},
                    ]
                }
            }
        },
        lambda: {"x": ["a"] * 5000},
        "$.x: expected at most 100 items, got 5000",
    ),
    ({"maxProperties": 9}, lambda: keys("{}", 1), "has more than 9 properties"),
    ({"patternProperties": {"^x": {"const": 1}}}, lambda: keys("x{}", 2), "$.x0: "),
    ({"additionalProperties": {"$ref": "#/$defs/n"}, "$defs": {"n": {"const": 1}}}, lambda: keys("x{}", 2), "$.x0: "),
    ({"pattern": "y$"}, lambda: "x" * 200_000, "does not match"),
    ({"maxLength": 1000}, lambda: "x" * 200_000, "expected a string of at most 1000 characters"),
    ({"items": {"uniqueItems": True}}, lambda: [[1, 1]] * 5000, "has non-unique elements"),
    ({"uniqueItems": True}, lambda: [*range(5000), 4999], "$: expected values that fit the schema, got some that"),
    (
        {"properties": {"~/x": {"items": {"type": "string"}}}},
        lambda: {"~/x": [1] * 5000},
        "$.~/x[0]: expected a",
    ),
]


@pytest.mark.parametrize(("schema", "value", "expected"), LARGE, ids=[json.dumps(case[0])[:40] for case in LARGE])
def test_a_large_document_is_refused_for_the_same_reasons_as_a_small_one(
    schema: Any, value: Callable[[], Any], expected: str
) -> None:
    lines = problems_of(value(), schema)
    assert any(expected in line for line in lines), lines


def test_a_repeated_key_is_found_in_the_time_of_reading() -> None:
    text = "{" + ",".join(f'"k{number}":1' for number in range(40_000)) + ',"k39999":1}'
    start = time.process_time()
    with pytest.raises(ProviderError, match="the key 'k39999' stands twice"):
        loads(text)
    assert time.process_time() - start < 1
