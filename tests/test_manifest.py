"""Manifests: every problem at its line and column, all at once, and none of YAML's traps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from theoryctl.errors import BadManifest
from theoryctl.manifest import Manifest
from theoryctl.manifest_check import check_manifest, manifest_schema
from theoryctl.manifest_yaml import MAX_BYTES, YAMLProblems, parse
from theoryctl.refs import ProviderRef

ROOT = Path(__file__).parent.parent
SHIPPED = sorted((ROOT / "manifests").rglob("*.yaml"))

GOOD = """\
ref: acme/echo@1
title: Echo
provider: acme.echo:Echo
models: {default: acme/one}
inputs: {type: object}
example: {}
"""


def problems(text: str | bytes, ref: str | None = None) -> list[str]:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(BadManifest) as caught:
        check_manifest(data, "m.yaml", ref=ProviderRef.parse(ref) if ref else None)
    assert caught.value.hint
    return caught.value.message.splitlines()


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_a_shipped_manifest_is_valid_and_carries_the_modeline_for_editors(file: Path) -> None:
    manifest = check_manifest(file.read_bytes(), str(file), ref=ProviderRef.parse(f"llm/{file.stem}"))
    first = file.read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (file.parent / first.partition("=")[2]).resolve() == ROOT / "docs" / "manifest.schema.json"
    assert manifest.resources.timeout > 0


def test_the_two_shipped_manifests_take_the_same_inputs() -> None:
    one, other = (parse(file.read_bytes()).value for file in SHIPPED)
    assert one["inputs"] == other["inputs"]


def test_the_shipped_secrets_are_those_the_provider_asks_for_without_a_manifest() -> None:
    from theoryctl_providers import get_llm_provider

    manifest = check_manifest((ROOT / "manifests/llm/litellm@1.yaml").read_bytes(), "x")
    mine = [(rule.name, rule.required, rule.models) for rule in manifest.secret_rules]
    assert mine == [(rule.name, rule.required, rule.models) for rule in get_llm_provider("litellm").secret_rules]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_a_manifest_survives_the_way_through_the_cache(file: Path) -> None:
    manifest = check_manifest(file.read_bytes(), str(file))
    assert Manifest.from_document(yaml.safe_load(yaml.safe_dump(_plain(manifest.document())))) == manifest


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


FULL = GOOD.replace("models: {default: acme/one}", "models: {default: acme/one, known: [acme/one, acme/two]}") + (
    "description: d\nsecrets: [{name: KEY, required: false, models: ['acme/*'], description: d}]\n"
    "image: {repository: ghcr.io/a/b, digests: {linux/amd64: 'sha256:" + "0" * 64 + "'}, build: {context: x}}\n"
    "resources: {cpu: 0.5, memory: 128, timeout: 5, gpu: T4}\n"
)


@pytest.mark.parametrize("text", [GOOD, FULL], ids=["least", "everything"])
def test_the_published_schema_accepts_what_the_model_accepts(text: str) -> None:
    check_manifest(text.encode(), "m.yaml")
    jsonschema_rs.validate(manifest_schema(), yaml.safe_load(text))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("title: Echo", ""),
        ("title: Echo", "titel: Echo"),
        ("title: Echo", "title: 5"),
        ("title: Echo", "title: ''"),
        ("ref: acme/echo@1", "ref: acme/echo@0"),
        ("cpu: 0.5", "cpu: 0"),
        ("cpu: 0.5", "cpu: '1'"),
        ("memory: 128", "memory: 1.5"),
        ("timeout: 5", "timeout: 0"),
        ("linux/amd64", "linux-amd64"),
        ("sha256:0", "sha256:g"),
        ("name: KEY", "name: key"),
        ("required: false", "required: 'no'"),
        ("build: {context: x}", "build: {contxt: x}"),
        ("gpu: T4", "gpu: ''"),
        ("known: [acme/one", "known: [1"),
        ("inputs: {type: object}", "inputs: []"),
    ],
)
def test_the_published_schema_refuses_what_the_model_refuses(old: str, new: str) -> None:
    text = FULL.replace(old, new)
    assert text != FULL
    problems(text)
    assert not jsonschema_rs.is_valid(manifest_schema(), yaml.safe_load(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("title: Echo", "m.yaml:1:1: ref: missing; expected namespace/name@version"),
        (GOOD + "modles: 1\n", "m.yaml:7:1: modles: unknown key; did you mean 'models'?"),
        (GOOD.replace("acme/one", "no"), "m.yaml:4:10: models.default: found false; expected string"),
        (GOOD + "resources: {cpu: many}\n", 'm.yaml:7:13: resources.cpu: found "many"; expected number'),
        (
            GOOD + "resources: {timeout: 0}\n",
            "m.yaml:7:13: resources.timeout: found 0; expected greater than or equal to 1",
        ),
        (GOOD.replace("type: object", "type: objec"), "m.yaml:5:10: inputs.type: not a JSON Schema"),
        (
            GOOD.replace("{type: object}", "{type: object, required: [x]}"),
            'm.yaml:6:1: example: does not fit inputs: "x" is a required property',
        ),
        (GOOD + "secrets: [{name: A}, {name: A}]\n", "m.yaml:7:23: secrets[1].name: A is declared twice"),
        (GOOD.replace("{default: acme/one}", "{default: a, known: [b]}"), 'm.yaml:4:10: models.default: found "a"'),
        ("", "m.yaml:1:1: the file is empty; expected a manifest"),
        ("[]", "m.yaml:1:1: found []; expected an object"),
        ("a: [1\nb: }", "m.yaml:2:2: not YAML"),
        ("a: 1\n--- \nb: 2", "m.yaml:2:1: not YAML"),
    ],
    ids=lambda value: value[:40].replace("\n", " "),
)
def test_a_problem_is_placed_and_says_what_was_expected(text: str, expected: str) -> None:
    assert any(line.startswith(expected) for line in problems(text)), problems(text)


def test_all_problems_are_told_at_once_those_of_structure_and_of_meaning_in_the_order_of_the_file() -> None:
    text = GOOD.replace("title: Echo", "titel: Echo").replace("type: object", "type: objec") + "resources: {cpu: 0}\n"
    lines = [int(line.split(":")[1]) for line in problems(text, ref="acme/other@1")]
    assert lines == sorted(lines)
    assert set(lines) == {1, 2, 5, 7}


def test_a_manifest_must_be_the_one_its_file_name_promises() -> None:
    assert "expected 'acme/other@1', as the file's name says" in problems(GOOD, ref="acme/other@1")[0]


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\nb: 2\na: 3\n", "m.yaml:3:1: a: the key stands twice"),
        ("a: {b: 1, b: 2}\n", "m.yaml:1:11: a.b: the key stands twice"),
        (BOMB, "aliases multiply it beyond the limit"),
        ("a: &a [*a]\n", "nests deeper than the limit"),
        ("a: " + "[" * 5000, "nested deeper"),
        ("a: 2024-01-01\n", "YAML reads as timestamp"),
        ("a: !!python/object/apply:os.system [echo]\n", "YAML reads as"),
        ("a: !!set {x}\n", "YAML reads as set"),
        ("a: !!binary aGk=\n", "YAML reads as binary"),
        ("on: 1\n", "key 'on' is not text"),
        ("1: x\n", "key '1' is not text"),
        ("? [a]\n: x\n", "is not text"),
        ("a: .inf\n", "expected a finite number"),
        ("a: 1.0e+999\n", "expected a finite number"),
        ("a: " + "1" * 5000, "cannot be read"),
        (b"\xff\xfe", "not UTF-8"),
        (b"a: \0", "not YAML"),
        (b"#" * (MAX_BYTES + 1), "too large"),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_a_trap_of_yaml_is_refused(text: str | bytes, reason: str) -> None:
    assert any(reason in line for line in problems(text))


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


def test_merge_keys_and_anchors_work_as_in_safe_load() -> None:
    text = "base: &b {x: 1}\none:\n  <<: *b\n  y: 2\n"
    assert parse(text.encode()).value == yaml.safe_load(text)
