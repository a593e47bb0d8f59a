"""Manifests: none of YAML's traps, and the meaning that PyYAML gives to a text."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.manifests.checking import GOOD, problems
from theoryctl.errors import BadManifest
from theoryctl.manifests.check import check_manifest
from theoryctl.manifests.model import MAX_BYTES
from theoryctl_providers.authored.yaml_document import YAMLProblems, parse

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)

TRAPS: list[tuple[str | bytes, str]] = [
    ("a: 1\nb: 2\na: 3\n", "m.yaml:3:1: a: expected the key once, got it twice"),
    ("a: {b: 1, b: 2}\n", "m.yaml:1:11: a.b: expected the key once, got it twice"),
    (BOMB, "expected at most 20000 values and keys, with aliases written out, got more"),
    ("a: &a [*a]\n", "expected at most 64 levels, got more"),
    ("a: &a {<<: *a}\n", "expected at most 64 levels, got more"),
    ("a: " + "[" * 500_000, "m.yaml:1:68: expected at most 64 levels, got more"),
    ("- " * 20_001, "expected at most 64 levels, got more"),
    ("a: [" + "x," * 20_001 + "]", "m.yaml:1:39999: expected at most 20000 values and keys, with aliases"),
    ("".join(f"{n}x: 1\n" for n in range(10_001)), "expected at most 20000 values and keys"),
    (
        f"a: &a {'x' * 9999}\nb: [{'*a,' * 999}]",
        "expected at most 1048576 characters, with aliases written out, got more",
    ),
    (
        "a: 2024-01-01\n",
        "m.yaml:1:4: a: expected text in quotes, or plain JSON values, got '2024-01-01', which YAML reads as timestamp",
    ),
    (
        "a: !!python/object/apply:os.system [echo]\n",
        "m.yaml:1:4: a: expected plain JSON values, got one that YAML reads as python/object/apply",
    ),
    ("a: !!set {x}\n", "m.yaml:1:4: a: expected plain JSON values, got one that YAML reads as set"),
    (
        "a: !!binary aGk=\n",
        "m.yaml:1:4: a: expected text in quotes, or plain JSON values, got 'aGk=', which YAML reads as binary",
    ),
    ("a: !own x\n", "m.yaml:1:4: a: expected text in quotes, or plain JSON values, got 'x', which YAML reads as !own"),
    (
        "a: !!bool maybe\n",
        "m.yaml:1:4: a: expected text in quotes, or plain JSON values, got 'maybe', which cannot be read as bool",
    ),
    (
        'a: !!int ""\n',
        "m.yaml:1:4: a: expected text in quotes, or plain JSON values, got '', which cannot be read as int",
    ),
    (
        "a: !!float x\n",
        "m.yaml:1:4: a: expected text in quotes, or plain JSON values, got 'x', which cannot be read as float",
    ),
    ("a: !!int [1]\n", "m.yaml:1:4: a: expected plain JSON values, got one that YAML reads as int"),
    ("a: !!map x\n", "m.yaml:1:4: a: expected text in quotes, or plain JSON values, got 'x', which YAML reads as map"),
    ("on: 1\n", "expected a text as the key, got 'on'"),
    ("1: x\n", "expected a text as the key, got '1'"),
    ("? [a]\n: x\n", "expected a text as the key, got a structure"),
    ("<<: 5\n", "m.yaml:1:5: expected mappings to merge, got something else after '<<'"),
    ("a: .inf\n", "expected a finite number"),
    ("a: 1.0e+999\n", "expected a finite number"),
    ("a: 1" + ":1" * 500_000, "m.yaml:1:4: a: expected a number of at most 400 characters, got '1:1"),
    ("a: 1" + ":1" * 190 + ".5", "m.yaml:1:4: a: expected text in quotes, or plain JSON values, got '1:1"),
    ("a: " + "1" * 5000, "expected a number of at most 400 characters, got '111"),
    ("a: 0x" + "f" * 300, "expected a number of at most 1024 bits, got '0xfff"),
    ('a: "\\ud800"\n', "m.yaml:1:4: a: expected \\U and its eight digits, got '\\ud800', which holds half a character"),
    ('a: "\\UFFFFFFFF"\n', "m.yaml:1:7: not YAML"),
    (f"%YAML 1.{'9' * 5000}\n--- a", "m.yaml:1:9: not YAML"),
    ("a: *b\n", "m.yaml:1:4: not YAML: found undefined alias 'b'"),
    ("a: &b 1\nc: &b 2\n", "m.yaml:2:4: not YAML: found duplicate anchor 'b'"),
    ("a:\n\tb: 1", "m.yaml:2:1: not YAML"),
    ("é: ü: x", "m.yaml:1:5: not YAML"),
    (b"\xff\xfe", "m.yaml:1:1: expected text in UTF-8, got the byte 0xff"),
    (b"a: b\n\xc3\xa9\xff", "m.yaml:2:2: expected text in UTF-8, got the byte 0xff"),
    (b"a: b\nc: \0", "m.yaml:2:4: not YAML: unacceptable character"),
    (b"#" * (MAX_BYTES + 1), "m.yaml:1:1: expected at most 1048576 bytes, got more"),
]


@pytest.mark.parametrize(("text", "reason"), TRAPS, ids=lambda value: repr(value[:30]))
def test_a_trap_of_yaml_is_refused(text: str | bytes, reason: str) -> None:
    found = problems(text)
    assert any(reason in line for line in found), found[:5]


@pytest.mark.parametrize("text", ["[" + "x, " * 340_000 + "]", "- x\n" * 260_000, "x: 1\n" * 200_000, "[" * 1_000_000])
def test_a_text_that_is_too_large_is_refused_before_all_of_it_is_read(text: str) -> None:
    started = time.process_time()
    problems(text)
    assert time.process_time() - started < 4  # a tenth of it is usual; reading all of it takes more than ten


def test_a_text_within_the_limits_is_read() -> None:
    flat = GOOD.replace("example: {}", f"example: {{a: [{'x,' * 19_000}]}}")
    assert len(check_manifest(flat.encode(), "m").example["a"]) == 19_000
    deep = GOOD.replace("example: {}", f"example: {{a: {'[' * 60 + ']' * 60}}}")
    assert check_manifest(deep.encode(), "m").example


_YAML_LIKE = st.lists(
    st.sampled_from(
        [*"abé1:-?,&*!|>'\"%@#[]{} \n\n", ": ", "- ", "  ", "\n- ", "&a ", "*a", "<<: ", "!!int ", "!!set ", "\\", "~"]
    ),
    max_size=25,
).map("".join)


@given(
    _YAML_LIKE | st.text(max_size=30),
    st.sampled_from(["", "title: ", "inputs: ", "example: ", "models: ", "secrets: "]),
)
def test_any_text_is_checked_with_a_place_for_each_problem(text: str, key: str) -> None:
    data = (key + text).encode(errors="replace")
    with pytest.raises(BadManifest) as caught:
        check_manifest(data, "m.yaml")
    places = [tuple(map(int, line.split(":")[1:3])) for line in caught.value.message.split("\n")]
    assert places == sorted(places)


@given(_YAML_LIKE)
def test_what_is_read_without_a_problem_is_what_safe_load_reads(text: str) -> None:
    try:
        document = parse(text.encode())
    except YAMLProblems:
        return
    assert document.problems or document.value == yaml.safe_load(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_with_a_place(data: bytes) -> None:
    try:
        parse(data)
    except YAMLProblems as error:
        assert all(problem.line >= 1 and problem.what for problem in error.problems)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text("ab:#-{}[]&*!|>'\"%@ "),
        lambda x: st.lists(x, max_size=4) | st.dictionaries(st.text("abc", min_size=1), x, max_size=4),
        max_leaves=15,
    )
)
def test_what_is_read_means_what_safe_load_says(value: Any) -> None:
    text = yaml.safe_dump(value)
    if yaml.safe_load(text) is not None:
        assert parse(text.encode()).value == yaml.safe_load(text)


@pytest.mark.parametrize(
    "text",
    [
        "base: &b {x: 1}\none:\n  <<: *b\n  y: 2\n",
        "base: &b {x: 1}\none: {x: 2, <<: *b}\n",
        "a: &a {x: 1, z: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b], z: 3}\n",
        "a: &a {x: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b}\nd: [*a, *b, *b]\n",
        "a: &a !!str 5\nb: !!int '5'\n*a : !!float 5\n",
        "a: [0777, 0x1F, 1_000, 1:30, 1.5, ~, yes, '', null, -1e3, 1.e+3]\n",
    ],
)
def test_merge_keys_tags_and_anchors_work_as_in_safe_load(text: str) -> None:
    document = parse(text.encode())
    assert not document.problems
    assert document.value == yaml.safe_load(text)


def test_a_key_that_was_merged_in_is_placed_where_it_comes_from_and_its_own_where_it_stands() -> None:
    places = parse(b"a: &a {x: 1, y: 1}\nb:\n  x: 2\n  <<: *a\n").places
    assert (places["b", "x"], places["b", "y"]) == ((3, 3), (1, 14))
