"""The YAML file of a script: what it may hold, and every mistake at its place."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from tests.conftest import ROOT
from tests.pages import blocks
from theoryctl.authored.script_file import check_script, read_script
from theoryctl.errors import BadScript
from theoryctl_providers import run

EXAMPLE = ROOT / "docs" / "answers.yaml"


def test_the_example_of_the_docs_is_valid_by_the_published_schema_and_answers() -> None:
    schema = json.loads((ROOT / "docs" / "script.schema.json").read_text())
    jsonschema_rs.validate(schema, yaml.safe_load(EXAMPLE.read_text()))
    script = read_script(str(EXAMPLE))
    ask = {"messages": [{"role": "user", "content": "Tell me a story."}], "model": "openai/x"}
    assert run(ask, script=script)["outputs"][0]["text"] == "Once upon a time."


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1:1: expected a YAML document, got an empty file"),
        ("rules: [", "not YAML"),
        ("strict: true\n", "1:1: rules: expected at least one rule, or tools"),
        ("rules: []\n", "1:1: rules: expected at least one rule, or tools"),
        ("rulez: []\nrules: [{answers: [{text: x}]}]\n", "1:1: rulez: expected 'rules', got an unknown key"),
        ("rules:\n- {}\n", "2:3: rules[0].answers: expected "),
        ("rules:\n- answers: []\n", "2:3: rules[0].answers: expected at least one item, got none"),
        ("rules:\n- answers: [{txt: x}]\n", "2:14: rules[0].answers[0].txt: expected 'text', got an unknown key"),
        (
            "rules:\n- answers: [{}]\n",
            "2:13: rules[0].answers[0]: expected text, json, chunks, refusal, tool_calls or fault, got none",
        ),
        (
            "rules:\n- answers: [{text: a, json: 1}]\n",
            "2:23: rules[0].answers[0].json: expected one of text, json and chunks, got it beside text",
        ),
        (
            "rules:\n- answers: [{tool_calls: [{name: f, arguments: 3}]}]\n",
            "2:37: rules[0].answers[0].tool_calls[0].arguments: expected an object, or a text to send as it stands",
        ),
        (
            "rules:\n- answers: [{fault: {status: 200}}]\n",
            "2:22: rules[0].answers[0].fault.status: expected at least 400, got 200",
        ),
        (
            "rules:\n- answers: [{fault: {kind: stall, status: 500}}]\n",
            "2:35: rules[0].answers[0].fault.status: expected kind error beside it, got stall",
        ),
        ("rules:\n- answers: [{fault: {kind: explode}}]\n", "2:22: rules[0].answers[0].fault.kind: expected "),
        ("rules:\n- answers: [{text: a, delay: -1}]\n", "2:23: rules[0].answers[0].delay: expected at least 0, got -1"),
        (
            "rules:\n- when: {user: {regex: '(a)\\1'}}\n  answers: [{text: x}]\n",
            "2:17: rules[0].when.user.regex: expected a regular expression without look-around",
        ),
        ("rules:\n- when: {user: {regex: 'a{999}{999}'}}\n  answers: [{text: x}]\n", "2:17: rules[0].when.user.regex"),
        (
            "rules:\n- when: {trun: 1}\n  answers: [{text: x}]\n",
            "2:10: rules[0].when.trun: expected 'turn', got an unknown key",
        ),
        ("rules:\n- when: {turn: 0}\n  answers: [{text: x}]\n", "2:10: rules[0].when.turn: expected at least 1, got 0"),
        (
            "rules:\n- when: {user: {contains: }}\n  answers: [{text: x}]\n",
            "2:17: rules[0].when.user.contains: expected a value, or no such key, got null",
        ),
        (
            "rules:\n- when: {turn: ~, tools: [1]}\n  answers: [{text: x}]\n",
            "2:10: rules[0].when.turn: expected a value, or no such key, got null",
        ),
        (
            "rules:\n- when: {turn: ~, tools: [1]}\n  answers: [{text: x}]\n",
            "2:27: rules[0].when.tools[0]: expected a string, got 1",
        ),
        ("null\n", "1:1: expected an object, got null"),
        ("- answers: [{text: x}]\n", "1:1: expected {rules: [{"),
        ("- answers: [{text: x}]\n", "expected {rules: [{"),
        (
            "rules:\n- when: {user: 2+2}\n  answers: [{text: x}]\n",
            '2:10: rules[0].when.user: expected {contains: "2+2"}, got "2+2"',
        ),
        (
            "rules:\n- answers: [four]\n",
            '2:13: rules[0].answers[0]: expected {text: "four"}, got "four"',
        ),
        ("rules:\n- answers: [4]\n", "2:13: rules[0].answers[0]: expected an object, got 4"),
        ("rules:\n- answers: [{text: 2026-01-01}]\n", "which YAML reads as timestamp"),
        ("rules:\n- answers: [{text: NO}]\n", "text: expected a text in quotes, got 'NO', which YAML reads as false"),
        ("ignore: [1.10]\n", "ignore[0]: expected a text in quotes, got '1.10', which YAML reads as 1.1"),
        ("tools: off\n", "tools: expected 'each' or 'none', got 'off', which YAML reads as false"),
        ("rules:\n- answers: [{text: a, text: b}]\n", "text"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_mistake_is_said_with_its_line_and_column(text: str, problem: str) -> None:
    with pytest.raises(BadScript) as caught:
        check_script(text.encode(), "a.yaml")
    assert any(line.startswith("a.yaml:") and problem in line for line in caught.value.message.splitlines()), (
        caught.value.message
    )


def test_the_scripts_of_the_page_on_mocks_are_valid() -> None:
    scripts = blocks("docs/mocks.md", "yaml")
    assert scripts
    for text in scripts:
        check_script(text.encode(), "docs/mocks.md")


def test_null_may_stand_where_it_is_a_value() -> None:
    text = "rules:\n- answers: [{json: {a: null, b: [null]}}, {tool_calls: [{name: f, arguments: {a: null}}]}]\n"
    schema = json.loads((ROOT / "docs" / "script.schema.json").read_text())
    jsonschema_rs.validate(schema, yaml.safe_load(text))
    assert check_script(text.encode(), "a.yaml").rules[0].answers[0].json == {"a": None, "b": [None]}
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(schema, yaml.safe_load("rules: [{when: {user: {contains: }}, answers: [{text: x}]}]"))


def test_all_mistakes_are_said_at_once() -> None:
    text = "rules:\n- when: {trun: 1}\n  answers: [{txt: a}]\n- answers: 7\n"
    with pytest.raises(BadScript) as caught:
        check_script(text.encode(), "a.yaml")
    assert [line.split(":")[1] for line in caught.value.message.splitlines()] == ["2", "3", "4"]


def test_a_file_that_cannot_be_read_or_is_too_large_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadScript, match="No such file"):
        read_script(str(tmp_path / "none.yaml"))
    (tmp_path / "large.yaml").write_bytes(b"#" * (5 << 20))
    with pytest.raises(BadScript, match="expected at most"):
        read_script(str(tmp_path / "large.yaml"))


@pytest.mark.parametrize(
    "word", ["NO", "on", "0644", "0xdeadbeef", "12:30", "1.10", "1_000", "+4930123456", "1e3", "1.5e3"]
)
def test_words_that_yaml_reads_as_something_else_are_refused_in_free_json(word: str) -> None:
    data = f"rules:\n  - answers:\n      - json: {{it: {word}, ok: 1.5}}\n".encode()
    with pytest.raises(BadScript) as caught:
        check_script(data, "it.yaml")
    assert (
        f"it.yaml:3:16: rules[0].answers[0].json.it: expected it in quotes, or as YAML reads it, got '{word}', which"
        in caught.value.message
    )
    assert (
        check_script(data.replace(f": {word}".encode(), f': "{word}"'.encode()), "it.yaml")
        .rules[0]
        .answers[0]
        .json["it"]
        == word
    )


def test_a_number_that_yaml_reads_as_text_is_told_as_one_that_it_reads() -> None:
    data = "rules: [{answers: [{json: {it: %s}}]}]"
    with pytest.raises(BadScript) as caught:
        check_script((data % "1e-7").encode(), "it.yaml")
    meant = caught.value.message.partition("text, not as ")[2].partition(";")[0]
    assert check_script((data % meant).encode(), "it.yaml").rules[0].answers[0].json == {"it": 1e-7}
