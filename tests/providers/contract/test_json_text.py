"""Canonical JSON: one byte form of a value, and a strict reader."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theoryctl_providers.contract import ProviderError, canonical, loads
from theoryctl_providers.contract.json_text import MAX_DEPTH

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_canonical_json_reads_back_as_the_same_value(value: Any) -> None:
    assert loads(canonical(value)) == value


@given(st.dictionaries(TEXT, VALUES, max_size=6))
def test_the_order_in_which_keys_were_written_does_not_matter(value: dict[str, Any]) -> None:
    backwards = dict(reversed(list(value.items())))
    assert canonical(backwards) == canonical(value)


@given(VALUES)
def test_canonical_json_is_a_fixed_point(value: Any) -> None:
    once = canonical(value)
    assert canonical(json.loads(once)) == once


def test_canonical_json_has_sorted_keys_no_spaces_and_plain_utf8() -> None:
    assert canonical({"b": [1, 2.50, None], "a": "ü\n"}) == '{"a":"ü\\n","b":[1,2.5,null]}'.encode()


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        {"a": float("-inf")},
        "\ud800",
        {"\udfff": 1},
        {1: "a"},
        {None: 1},
        b"bytes",
        {"a": {1}},
    ],
    ids=repr,
)
def test_a_value_without_a_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(ProviderError) as caught:
        canonical(value)
    assert caught.value.code == "ERR_INPUTS"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON: expected a value, got the end at column 1"),
        ("{'a': 1}", 'not JSON: expected a name in double quotes, got "\'" at column 2'),
        ('{"a": 1} x', "not JSON: expected the end of the document, got 'x' at column 10"),
        ("[NaN]", "NaN"),
        ("[-Infinity]", "Infinity"),
        ("[1e999]", "inf is not a JSON number"),
        ('{"a": 1, "b": 2, "a": 3}', "'a' stands twice"),
        ('["\\ud800"]', "lone surrogate U+D800"),
        ("[" * 100_000, "nested deeper"),
        ("[" * 101 + "]" * 101, "nested deeper"),
        (b'{"a": "\xff"}', "expected UTF-8, got the byte 0xff at offset 7"),
        ("1" * 5000, "digits"),
    ],
    ids=[
        "empty",
        "quotes",
        "trailing",
        "nan",
        "inf",
        "overflow",
        "twice",
        "surrogate",
        "bomb",
        "deep",
        "bytes",
        "digits",
    ],
)
def test_a_text_that_is_not_strict_json_is_refused_with_the_reason(text: str | bytes, reason: str) -> None:
    with pytest.raises(ProviderError, match=re.escape(reason)) as caught:
        loads(text, what="the answer")
    assert caught.value.code == "ERR_INPUTS"
    assert caught.value.message.startswith("the answer: ")


def test_the_deepest_nesting_allowed_is_the_same_on_every_python() -> None:
    assert loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)


def test_a_byte_order_mark_is_no_reason_to_refuse_a_file() -> None:
    assert loads(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
