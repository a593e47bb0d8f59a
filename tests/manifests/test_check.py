"""Manifests: every problem at its line and column, all at once, and none of YAML's traps."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from theoryctl.authored.yaml_document import YAMLProblems, parse
from theoryctl.errors import BadManifest
from theoryctl.manifests.check import check_manifest, manifest_schema
from theoryctl.manifests.model import MAX_BYTES, Manifest
from theoryctl.refs import ProviderRef
from theoryctl_providers.contract import shaped

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
    mine = tuple(replace(rule, description="") for rule in manifest.secrets)
    assert mine == get_llm_provider("litellm").secret_rules
    assert all(rule.description for rule in manifest.secrets)


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_a_manifest_survives_the_way_through_the_cache(file: Path) -> None:
    manifest = check_manifest(file.read_bytes(), str(file))
    document = _plain(manifest.document())
    assert shaped(Manifest, yaml.safe_load(yaml.safe_dump(document))) == manifest
    assert jsonschema_rs.is_valid(manifest_schema(), document)
    assert check_manifest(yaml.safe_dump(document).encode(), str(file)) == manifest


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


FULL = GOOD.replace("models: {default: acme/one}", "models: {default: acme/one, known: [acme/one, acme/two]}") + (
    "description: d\nsecrets: [{name: KEY, required: false, models: ['acme/*'], description: d}]\n"
    "image: {repository: ghcr.io/a/b, digests: {linux/amd64: 'sha256:" + "0" * 64 + "'}, build: {context: x}}\n"
    "resources: {cpu: 0.5, memory: 128, timeout: 5, gpu: T4, min_containers: 1, buffer_containers: 2,\n"
    "  scaledown_window: 60, region: us-east, nonpreemptible: true}\n"
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
        ("ref: acme/echo@1", "ref: acme/echo@1234567890"),
        ("ref: acme/echo@1", f"ref: acme/{'e' * 64}@1"),
        ("ref: acme/echo@1", f"ref: {'a' * 64}/echo@1"),
        ("title: Echo", 'title: "E\\e[2J"'),
        ("title: Echo", 'title: "E\\n"'),
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
        ("gpu: T4", "gpu: "),
        ("min_containers: 1", "min_containers: -1"),
        ("buffer_containers: 2", "buffer_containers: 1001"),
        ("scaledown_window: 60", "scaledown_window: 1"),
        ("scaledown_window: 60", "scaledown_window: 3601"),
        ("region: us-east", "region: US East"),
        ("nonpreemptible: true", "nonpreemptible: 1"),
        ("build: {context: x}", "build: "),
        ("image: {", "image: \nx: {"),
        ("known: [acme/one", "known: [1"),
        ("inputs: {type: object}", "inputs: []"),
    ],
)
def test_the_published_schema_refuses_what_the_model_refuses(old: str, new: str) -> None:
    text = FULL.replace(old, new)
    assert text != FULL
    problems(text)
    assert not jsonschema_rs.is_valid(manifest_schema(), yaml.safe_load(text))


@pytest.mark.parametrize("gpu", ["T4", "h100", "H100!:8", "B200+", "A100-80GB:2", "A10:4"])
def test_gpus_that_modal_has_may_be_named_in_capitals_or_not(gpu: str) -> None:
    assert check_manifest(f"{GOOD}resources: {{gpu: '{gpu}'}}\n".encode(), "m.yaml").resources.gpu == gpu


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ("gpu: A1000", "resources.gpu: found 'A1000'; expected one of T4, L4, L40S, A100, A100-40GB, A100-80GB"),
        ("gpu: 'T4:9'", "resources.gpu: found 'T4:9'; expected T4:1 to T4:8"),
        ("gpu: 'A10:5'", "resources.gpu: found 'A10:5'; expected A10:1 to A10:4"),
        ("gpu: 'T4:'", "resources.gpu: found 'T4:'; expected T4:1 to T4:8"),
        ("min_containers: 5", "resources.min_containers: found 5; expected at most max_containers, which is 4"),
        ("region: US East", "resources.region: found 'US East'; expected a region of Modal's, such as us or eu-west"),
        ("scaledown_window: 1", "resources.scaledown_window: found 1; expected greater than or equal to 2"),
    ],
)
def test_what_modal_would_refuse_is_said_at_its_place(resources: str, expected: str) -> None:
    assert expected in problems(f"{GOOD}resources: {{{resources}}}\n")[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("title: Echo", "m.yaml:1:1: ref: missing; expected namespace/name@version"),
        (GOOD + "modles: 1\n", "m.yaml:7:1: modles: unknown key; did you mean 'models'?"),
        (GOOD.replace("acme/one", "no"), "m.yaml:4:10: models.default: found false; expected string"),
        (
            GOOD + "image: {repository: https://x/y}\n",
            "m.yaml:7:9: image.repository: 'https://x/y' is no image reference",
        ),
        (GOOD + "image: {repository: x/Y}\n", "m.yaml:7:9: image.repository: 'x/Y' is no image reference: a path has"),
        (
            GOOD + "image: {repository: llm/x@1}\n",
            "m.yaml:7:9: image.repository: 'llm/x@1' is no image reference: it is a",
        ),
        (GOOD + "image: {repository: 'x/y:1'}\n", "m.yaml:7:9: image.repository: found 'x/y:1'; expected no tag"),
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
        (
            GOOD.replace("{type: object}", "{type: objekt}").replace("example: {}\n", ""),
            "m.yaml:5:10: inputs.type: not a JSON Schema",
        ),
        (
            GOOD.replace("{type: object}", "{type: object, properties: {a: {type: 1, minLength: -1}}}"),
            "m.yaml:5:50: inputs.properties.a.minLength: not a JSON Schema: -1 is less than",
        ),
        (
            GOOD.replace("{type: object}", "{$ref: 'http://x/y'}"),
            "m.yaml:5:1: inputs: not a JSON Schema: Resource 'http://x/y'",
        ),
        (GOOD.replace("acme/echo@1", "acme/Echo@1"), "m.yaml:1:1: ref: found 'acme/Echo@1'; expected namespace/name"),
        (GOOD + "secrets: [{name: A}, {name: A}]\n", "m.yaml:7:23: secrets[1].name: A is declared twice"),
        (GOOD.replace("{default: acme/one}", "{default: a, known: [b]}"), 'm.yaml:4:10: models.default: found "a"'),
        ("", "m.yaml:1:1: the file is empty"),
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


def test_a_trap_hides_neither_problems_of_structure_nor_of_meaning() -> None:
    text = GOOD.replace("title: Echo", "titel: Echo").replace("object}", "objekt}").replace("example: {}\n", "")
    text += (
        "ref: acme/other@1\ndescription: 2024-01-01\n1: x\nresources: {cpu: .inf, memory: 1}\n? [a]\n: {a: 1, a: 2}\n"
    )
    starts = [
        "1:1: example: missing",
        "1:1: title: missing",
        "2:1: titel: unknown key",
        "5:10: inputs.type: not a JSON Schema",
        "6:1: ref: found 'acme/other@1'",
        "6:1: ref: the key stands twice",
        "7:14: description: found '2024-01-01', which YAML reads as timestamp",
        "8:1: key '1' is not text",
        "8:1: 1: unknown key",
        "9:18: resources.cpu: found '.inf', which JSON has no number for",
        "9:24: resources.memory: found 1",
        "10:3: a key that is a structure is not text",
        "11:10: a: the key stands twice",
    ]
    found = problems(text, ref="acme/echo@1")
    assert len(found) == len(starts), found
    for line, start in zip(found, starts, strict=True):
        assert line.startswith(f"m.yaml:{start}"), found


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("title: Echo", 'title: "a{}"', "2:1: title"),
        ("provider: acme.echo:Echo", 'provider: "a{}"', "3:1: provider"),
        ("default: acme/one", 'default: "acme/one{}"', "4:10: models.default"),
        ("acme/two", '"{}"', "4:47: models.known[1]"),
        ("description: d\nsecrets", 'description: "a{}"\nsecrets', "7:1: description"),
        ("models: ['acme/*']", 'models: ["{}"]', "8:49: secrets[0].models[0]"),
        ("description: d}", 'description: "a{}"}', "8:60: secrets[0].description"),
    ],
)
@pytest.mark.parametrize("escape", ["\\e[31m", "\\x00", "\\x07", "\\t", "\\r", "\\x7f", "\\x85", "\\x9b"])
def test_a_control_character_that_would_reach_a_terminal_is_refused_and_not_repeated(
    old: str, new: str, place: str, escape: str
) -> None:
    text = FULL.replace(old, new.replace("{}", escape))
    assert text != FULL
    found = problems(text)
    assert any(line.startswith(f"m.yaml:{place}: found") for line in found), found
    assert all(line.isprintable() for line in found)


def test_a_description_may_have_several_lines_and_a_title_may_not() -> None:
    assert check_manifest((GOOD + "description: |\n  a\n  b\n").encode(), "m").description == "a\nb\n"
    assert "expected one line" in problems(GOOD.replace("Echo\n", "|\n  a\n", 1))[0]


def test_a_key_with_a_control_character_is_told_without_it() -> None:
    (found,) = problems(GOOD + '"\\e[2J": 1\n')
    assert found.startswith("m.yaml:7:1: \\x1b[2J: unknown key")


def test_a_manifest_must_be_the_one_its_file_name_promises() -> None:
    assert "expected 'acme/other@1', as the file's name says" in problems(GOOD, ref="acme/other@1")[0]


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


TRAPS: list[tuple[str | bytes, str]] = [
    ("a: 1\nb: 2\na: 3\n", "m.yaml:3:1: a: the key stands twice"),
    ("a: {b: 1, b: 2}\n", "m.yaml:1:11: a.b: the key stands twice"),
    (BOMB, "there are more than 20000 values and keys, with aliases written out"),
    ("a: &a [*a]\n", "nests deeper than the limit of 64 levels"),
    ("a: &a {<<: *a}\n", "nests deeper than the limit of 64 levels"),
    ("a: " + "[" * 500_000, "m.yaml:1:68: it nests deeper than the limit of 64 levels"),
    ("- " * 20_001, "nests deeper"),
    ("a: [" + "x," * 20_001 + "]", "m.yaml:1:39999: there are more than 20000 values and keys, with aliases"),
    ("".join(f"{n}x: 1\n" for n in range(10_001)), "more than 20000 values and keys"),
    (f"a: &a {'x' * 9999}\nb: [{'*a,' * 999}]", "more than 1048576 characters, with aliases written out"),
    ("a: 2024-01-01\n", "m.yaml:1:4: a: found '2024-01-01', which YAML reads as timestamp"),
    ("a: !!python/object/apply:os.system [echo]\n", "m.yaml:1:4: a: found a value YAML reads as python/object/apply"),
    ("a: !!set {x}\n", "m.yaml:1:4: a: found a value YAML reads as set"),
    ("a: !!binary aGk=\n", "m.yaml:1:4: a: found 'aGk=', which YAML reads as binary"),
    ("a: !own x\n", "m.yaml:1:4: a: found 'x', which YAML reads as !own"),
    ("a: !!bool maybe\n", "m.yaml:1:4: a: found 'maybe', which cannot be read as bool"),
    ('a: !!int ""\n', "m.yaml:1:4: a: found '', which cannot be read as int"),
    ("a: !!float x\n", "m.yaml:1:4: a: found 'x', which cannot be read as float"),
    ("a: !!int [1]\n", "m.yaml:1:4: a: found a value YAML reads as int"),
    ("a: !!map x\n", "m.yaml:1:4: a: found 'x', which YAML reads as map"),
    ("on: 1\n", "key 'on' is not text"),
    ("1: x\n", "key '1' is not text"),
    ("? [a]\n: x\n", "is not text"),
    ("<<: 5\n", "m.yaml:1:5: found something else after '<<'"),
    ("a: .inf\n", "expected a finite number"),
    ("a: 1.0e+999\n", "expected a finite number"),
    ("a: 1" + ":1" * 500_000, "m.yaml:1:4: a: found '1:1"),
    ("a: 1" + ":1" * 190 + ".5", "m.yaml:1:4: a: found '1:1"),
    ("a: " + "1" * 5000, "cannot be read as int"),
    ("a: 0x" + "f" * 300, "cannot be read as int"),
    ('a: "\\ud800"\n', "m.yaml:1:4: a: found '\\ud800', which holds half a character"),
    ('a: "\\UFFFFFFFF"\n', "m.yaml:1:7: not YAML"),
    (f"%YAML 1.{'9' * 5000}\n--- a", "m.yaml:1:9: not YAML"),
    ("a: *b\n", "m.yaml:1:4: not YAML: found undefined alias 'b'"),
    ("a: &b 1\nc: &b 2\n", "m.yaml:2:4: not YAML: found duplicate anchor 'b'"),
    ("a:\n\tb: 1", "m.yaml:2:1: not YAML"),
    ("é: ü: x", "m.yaml:1:5: not YAML"),
    (b"\xff\xfe", "m.yaml:1:1: not UTF-8"),
    (b"a: b\n\xc3\xa9\xff", "m.yaml:2:2: not UTF-8"),
    (b"a: b\nc: \0", "m.yaml:2:4: not YAML: unacceptable character"),
    (b"#" * (MAX_BYTES + 1), "m.yaml:1:1: the file is too large; expected at most 1048576 bytes"),
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
