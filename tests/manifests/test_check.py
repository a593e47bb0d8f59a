"""Manifests: every problem at its line and column, all at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from tests.conftest import ROOT
from tests.manifests.checking import GOOD, problems
from theoryctl.manifests.check import check_manifest, manifest_schema
from theoryctl.manifests.model import Manifest
from theoryctl.refs import ProviderRef
from theoryctl_providers.authored.yaml_document import parse
from theoryctl_providers.contract import shaped

SHIPPED = sorted((ROOT / "manifests").rglob("*.yaml"))


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
        ("gpu: A1000", "resources.gpu: expected one of T4, L4, L40S, A100, A100-40GB, A100-80GB"),
        ("gpu: 'T4:9'", "resources.gpu: expected T4:1 to T4:8, got 'T4:9'"),
        ("gpu: 'A10:5'", "resources.gpu: expected A10:1 to A10:4, got 'A10:5'"),
        ("gpu: 'T4:'", "resources.gpu: expected T4:1 to T4:8, got 'T4:'"),
        ("min_containers: 5", "resources.min_containers: expected at most max_containers, which is 4, got 5"),
        ("region: US East", "resources.region: expected a region of Modal's, such as us or eu-west, got 'US East'"),
        ("scaledown_window: 1", "resources.scaledown_window: expected at least 2, got 1"),
    ],
)
def test_what_modal_would_refuse_is_said_at_its_place(resources: str, expected: str) -> None:
    assert expected in problems(f"{GOOD}resources: {{{resources}}}\n")[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("title: Echo", "m.yaml:1:1: ref: expected namespace/name@version"),
        (GOOD + "modles: 1\n", "m.yaml:7:1: modles: expected 'models', got an unknown key"),
        (
            GOOD.replace("acme/one", "no"),
            "m.yaml:4:10: models.default: expected a text in quotes, got 'no', which YAML reads as false",
        ),
        (
            GOOD + "image: {repository: https://x/y}\n",
            "m.yaml:7:9: image.repository: 'https://x/y' is no image reference",
        ),
        (GOOD + "image: {repository: x/Y}\n", "m.yaml:7:9: image.repository: 'x/Y' is no image reference: a path has"),
        (
            GOOD + "image: {repository: llm/x@1}\n",
            "m.yaml:7:9: image.repository: 'llm/x@1' is no image reference: it is a",
        ),
        (GOOD + "image: {repository: 'x/y:1'}\n", "m.yaml:7:9: image.repository: expected no tag"),
        (GOOD + "resources: {cpu: many}\n", 'm.yaml:7:13: resources.cpu: expected a number, got "many"'),
        (
            GOOD + "resources: {timeout: 0}\n",
            "m.yaml:7:13: resources.timeout: expected at least 1, got 0",
        ),
        (GOOD.replace("type: object", "type: objec"), "m.yaml:5:10: inputs.type: expected a JSON Schema"),
        (
            GOOD.replace("{type: object}", "{type: object, required: [x]}"),
            'm.yaml:6:1: example: expected an example that fits inputs, got one that does not: "x" is a',
        ),
        (
            GOOD.replace("{type: object}", "{properties: {'1': {type: string}}}").replace("{}", "{'1': 5}"),
            "m.yaml:6:11: example.1: expected an example that fits inputs, got one that does not: 5 is",
        ),
        (
            GOOD.replace("{type: object}", "{type: objekt}").replace("example: {}\n", ""),
            "m.yaml:5:10: inputs.type: expected a JSON Schema",
        ),
        (
            GOOD.replace("{type: object}", "{type: object, properties: {a: {type: 1, minLength: -1}}}"),
            "m.yaml:5:50: inputs.properties.a.minLength: expected a JSON Schema of draft 2020-12, got: -1 is less than",
        ),
        (
            GOOD.replace("{type: object}", "{$ref: 'http://x/y'}"),
            "m.yaml:5:1: inputs: expected a JSON Schema of draft 2020-12, got: Resource 'http://x/y'",
        ),
        (GOOD.replace("acme/echo@1", "acme/Echo@1"), "m.yaml:1:1: ref: expected namespace/name@version"),
        (GOOD + "secrets: [{name: A}, {name: A}]\n", "m.yaml:7:23: secrets[1].name: expected each name once"),
        (
            GOOD.replace("{default: acme/one}", "{default: a, known: [b]}"),
            'm.yaml:4:10: models.default: expected one of models.known, got "a"',
        ),
        ("", "m.yaml:1:1: expected a YAML document, got an empty file"),
        ("[]", "m.yaml:1:1: expected an object, got []"),
        ("a: [1\nb: }", "m.yaml:2:2: not YAML"),
        ("a: 1\n--- \nb: 2", "m.yaml:2:1: not YAML"),
    ],
    ids=lambda value: value[:40].replace("\n", " "),
)
def test_a_problem_is_placed_and_says_what_was_expected(text: str, expected: str) -> None:
    assert any(line.startswith(expected) for line in problems(text)), problems(text)


@pytest.mark.parametrize("word", ["NO", "0644", "12:30", "1.10"])
def test_words_that_yaml_reads_as_something_else_are_refused_where_any_json_may_stand(word: str) -> None:
    schema = f"{{type: object, properties: {{it: {{enum: [{word}, x]}}, a: {{minimum: 1.10, deprecated: no}}}}}}"
    found = problems(GOOD.replace("{type: object}", schema).replace("{}", f"{{it: x, b: [{word}, 1.0]}}"))
    places = ["m.yaml:5:49: inputs.properties.it.enum[0]: ", "m.yaml:6:22: example.b[0]: "]
    assert [problem.partition("expected")[0] for problem in found] == places
    assert all(f"as YAML reads it, got '{word}', which YAML reads as" in problem for problem in found)


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
        "1:1: example: expected ",
        "1:1: title: expected ",
        "2:1: titel: expected 'title', got an unknown key",
        "5:10: inputs.type: expected a JSON Schema of draft 2020-12, got",
        "6:1: ref: expected 'acme/echo@1', as the file's name says, got 'acme/other@1'",
        "6:1: ref: expected the key once, got it twice",
        "7:14: description: expected text in quotes, or plain JSON values, got '2024-01-01', which YAML reads",
        "8:1: expected a text as the key, got '1'",
        "8:1: 1: expected one of ",
        "9:18: resources.cpu: expected a finite number, got '.inf'",
        "9:24: resources.memory: expected at least ",
        "10:3: expected a text as the key, got a structure",
        "11:10: a: expected the key once, got it twice",
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
    assert any(line.startswith(f"m.yaml:{place}: expected ") for line in found), found
    assert all(line.isprintable() for line in found)


def test_a_description_may_have_several_lines_and_a_title_may_not() -> None:
    assert check_manifest((GOOD + "description: |\n  a\n  b\n").encode(), "m").description == "a\nb\n"
    assert "expected one line" in problems(GOOD.replace("Echo\n", "|\n  a\n", 1))[0]


def test_a_key_with_a_control_character_is_told_without_it() -> None:
    (found,) = problems(GOOD + '"\\e[2J": 1\n')
    assert found.startswith("m.yaml:7:1: \\x1b[2J: expected one of ")


def test_a_manifest_must_be_the_one_its_file_name_promises() -> None:
    assert "expected 'acme/other@1', as the file's name says" in problems(GOOD, ref="acme/other@1")[0]
