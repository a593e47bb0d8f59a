"""`theoryctl mocks check`: every problem of scripts, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ROOT, Cli

HIDDEN = """rules:
- answers: [{text: a}]
- name: low
  when: {user: {contains: x}}
  answers: [{text: b}]
"""


@pytest.fixture
def script(working_folder: Path) -> Path:
    return working_folder / "answers.yaml"


def test_a_script_without_problems_is_counted(cli: Cli) -> None:
    ran = cli("mocks", "check", str(ROOT / "docs" / "answers.yaml"))
    assert (ran.status, ran.out) == (0, f"{ROOT / 'docs' / 'answers.yaml'}: 7 rules, no problem\n")


def test_a_rule_that_never_fires_is_told_with_its_place_and_fails(cli: Cli, script: Path) -> None:
    script.write_text(HIDDEN)
    ran = cli("mocks", "check", "answers.yaml")
    assert (ran.status, ran.out) == (
        3,
        "answers.yaml:3:3: rules[1]: rule 2 (low) never fires: rule 1 above it answers all that it fits\n",
    )


def test_a_pattern_that_no_word_matches_is_told_by_the_check_and_by_a_run(cli: Cli, script: Path) -> None:
    script.write_text("ignore: ['build 4\\d']\nrules:\n- answers: [{text: x}]\n")
    why = "'build 4\\\\d' ignores nothing: no word has a space, quote, bracket, comma or semicolon"
    ran = cli("mocks", "check", "answers.yaml")
    assert (ran.status, ran.out) == (3, f"answers.yaml:1:10: ignore[0]: {why}\n")
    ran = cli("local", "run", "hi", "--ref", "llm/litellm@1", "--mode", "mock", "--script", "answers.yaml")
    assert (ran.status, ran.out) == (0, "x\n") and why in ran.err


def test_mistakes_are_told_with_their_places_and_fail(cli: Cli, script: Path) -> None:
    script.write_text("rulez: []\nrules: [{answers: [{text: x}]}]\n")
    ran = cli("mocks", "check", "answers.yaml", "--json")
    assert ran.status == 3
    (checked,) = ran.document["files"]
    assert [(each["kind"], each["line"], each["path"]) for each in checked["problems"]] == [("error", 1, "rulez")]


def test_a_near_miss_is_told_and_does_not_fail(cli: Cli, script: Path) -> None:
    script.write_text("ignore: [date]\nrules:\n- answers: [{text: x}]\n")
    ran = cli("mocks", "check", "answers.yaml", "--json")
    assert (ran.status, ran.document["valid"]) == (0, True)
    assert ran.document["files"][0]["problems"][0]["what"].endswith("did you mean 'dates'?")


def test_a_vendor_in_the_place_of_a_model_is_told(cli: Cli, script: Path) -> None:
    script.write_text("rules:\n- when: {model: openai}\n  answers: [{text: x}]\n")
    ran = cli("mocks", "check", "answers.yaml")
    why = "this names a model, and 'openai' is a vendor; did you mean 'openai/*'?"
    assert (ran.status, ran.out) == (0, f"answers.yaml:2:10: rules[0].when.model: {why}\n")


def test_a_file_that_is_not_there_is_named_with_the_one_that_was_meant(cli: Cli, script: Path) -> None:
    script.write_text(HIDDEN)
    ran = cli("mocks", "check", "answer.yaml", "--json")
    assert (ran.status, ran.document["error"]["hint"]) == (3, "theoryctl mocks check answers.yaml --json")


def test_a_model_without_its_vendor_is_understood_by_the_check_as_by_a_run(cli: Cli, script: Path) -> None:
    script.write_text("rules:\n- when: {model: gpt-4o-mini}\n  answers: [{text: x}]\n")
    assert cli("mocks", "check", "answers.yaml").out == "answers.yaml: 1 rule, no problem\n"
    asked = ("local", "run", "hi", "--ref", "llm/litellm@1", "--mode", "mock", "--script", "answers.yaml")
    for model in ("gpt-4o-mini", "openai/gpt-4o-mini"):
        assert cli(*asked, "--model", model).out == "x\n"
