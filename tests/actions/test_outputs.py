"""The schema that a manifest has for its outputs, and the limits that an envelope tells of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.actions.test_run import SCHEMA, answer, error
from tests.conftest import ROOT, Cli

REF = "llm/mock@1"
RUN = ("local", "run", "--ref", REF, "hi", "--json")
OBJECT = "outputs: {properties: {answer: {type: object, required: [city]}}}"


@pytest.fixture
def outputs(working_folder: Path) -> Any:
    """Give the project a manifest of the ref with these lines more."""

    def make(lines: str) -> None:
        file = working_folder / f"manifests/{REF}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{(ROOT / 'manifests' / f'{REF}.yaml').read_text()}{lines}\n")

    return make


def test_outputs_that_fit_the_manifests_schema_pass(cli: Cli, outputs: Any) -> None:
    outputs("outputs: {required: [answer], properties: {answer: {type: string}, finish_reason: {const: stop}}}")
    assert cli(*RUN).status == 0


def test_a_mock_whose_outputs_do_not_fit_is_at_fault_and_keeps_them(cli: Cli, outputs: Any) -> None:
    outputs(OBJECT)
    ran = cli(*RUN)
    found = error(ran.document)
    assert (ran.status, found["code"]) == (1, "ERR_PROVIDER")
    assert '$.answer: expected an object, got "Mock answer' in found["message"]
    assert str(answer(ran.document)).startswith("Mock answer")


def test_a_scripted_answer_that_does_not_fit_is_what_a_vendors_would_be(
    cli: Cli, outputs: Any, working_folder: Path
) -> None:
    outputs(OBJECT)
    (working_folder / "script.yaml").write_text("rules: [{answers: [{text: plain}]}]\n")
    found = error(cli(*RUN, "--script", "script.yaml").document)
    assert found["code"] == "ERR_BAD_RESPONSE"


def test_an_instance_checks_outputs_too(cli: Cli, outputs: Any) -> None:
    outputs(OBJECT)
    started = cli("local", "start", "--ref", REF, "--runtime", "process", "--json")
    try:
        assert started.status == 0, started.err
        ran = cli(*RUN)
        assert (ran.document["runtime"], ran.document["error"]["code"]) == ("process", "ERR_PROVIDER")
    finally:
        cli("local", "stop", "--all")


def test_a_schema_of_outputs_that_is_none_is_told_with_its_place(cli: Cli, outputs: Any) -> None:
    outputs("outputs: {properties: {answer: {type: objekt}}}")
    ran = cli(*RUN)
    assert ran.document["error"]["code"] == "ERR_MANIFEST"
    assert (
        "outputs.properties.answer.type: expected a JSON Schema of draft 2020-12, got"
        in ran.document["error"]["message"]
    )


def test_an_envelope_tells_the_limits_that_held(cli: Cli) -> None:
    ran = cli(*RUN)
    jsonschema_rs.validate(SCHEMA, ran.document)
    assert ran.document["meta"]["resources"] == {"cpu": None, "memory": None, "timeout": 30}
    assert cli(*RUN, "--timeout", "5").document["meta"]["resources"]["timeout"] == 5
