"""Generated files are current, and what is published matches what is printed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from markdown_it import MarkdownIt

from tests.conftest import ROOT
from tests.generate import GENERATED
from tests.reliability import AREAS, written
from theoryctl_providers import ProviderError, run
from theoryctl_providers.contract import ERRORS, build_envelope
from theoryctl_providers.contract import envelope as types
from theoryctl_providers.contract.run_document import AttachmentEntry, RunDocument

ENVELOPE = json.loads((ROOT / "docs" / "envelope.schema.json").read_text())
REQUEST = json.loads((ROOT / "docs" / "run.schema.json").read_text())


@pytest.mark.parametrize("path", GENERATED, ids=str)
def test_a_generated_file_is_current(path: Path) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == GENERATED[path](), "run: make docs"


@pytest.mark.parametrize(
    ("schema", "document"),
    [
        (ENVELOPE, types.Envelope),
        (ENVELOPE["properties"]["usage"], types.UsageDocument),
        (ENVELOPE["properties"]["meta"], types.Meta),
        (ENVELOPE["$defs"]["vendor"], types.VendorDocument),
        (ENVELOPE["$defs"]["error"], types.ErrorInfo),
        (ENVELOPE["$defs"]["attachment"], types.AttachmentDocument),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_published_envelope_has_the_fields_of_the_types(schema: dict[str, Any], document: Any) -> None:
    assert list(schema["properties"]) == list(document.__annotations__)
    assert sorted(schema["required"]) == sorted(document.__annotations__)


@pytest.mark.parametrize(
    ("schema", "document"), [(REQUEST, RunDocument), (REQUEST["$defs"]["attachment"], AttachmentEntry)]
)
def test_the_published_request_has_the_fields_of_the_types(schema: dict[str, Any], document: Any) -> None:
    found = fields(document)
    assert list(schema["properties"]) == [field.name for field in found]
    assert schema["required"] == [field.name for field in found if field.default is MISSING]


def test_the_page_on_reliability_has_a_row_of_figures_for_each_area_and_all_survived() -> None:
    rows = written()
    assert list(rows) == ["area", *AREAS]
    for area, (what, files) in AREAS.items():
        _, tried, times, survived, _, tests = rows[area]
        assert (tried, tests) == (what, ", ".join(f"`{file}`" for file in files))
        assert times == survived != "0"
        assert all((ROOT / "tests" / file).exists() for file in files)


def test_every_golden_answer_fits_the_published_envelope() -> None:
    for case in json.loads((ROOT / "tests/providers/golden_mock.json").read_text()):
        if not case["attachments"]:
            jsonschema_rs.validate(ENVELOPE, dict(run(case["inputs"])))


@pytest.mark.parametrize("code", ERRORS)
def test_a_failure_with_any_code_fits_the_published_envelope(code: str) -> None:
    error = ProviderError(code, "what", hint="how")
    info = types.ErrorInfo(code=error.code, message="what", hint="how", retryable=error.retryable)
    jsonschema_rs.validate(ENVELOPE, dict(build_envelope(error=info, ref=None)))


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_row_of_a_table_has_as_many_cells_as_its_header(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    tables = [token.map for token in MarkdownIt().enable("table").parse("\n".join(lines)) if token.type == "table_open"]
    for first, end in [lines_of for lines_of in tables if lines_of]:
        header, *rows = [len(re.findall(r"(?<!\\)\|", line)) for line in lines[first:end]]
        assert rows == [header] * len(rows), lines[first]


@pytest.mark.parametrize("schema", sorted((ROOT / "docs").glob("*.schema.json")), ids=lambda file: file.name)
def test_no_description_in_a_schema_ends_lines_where_the_source_does(schema: Path) -> None:
    assert [text for text in descriptions(json.loads(schema.read_text())) if "\n" in text] == []


def descriptions(value: Any) -> Iterator[str]:
    """Every description in a JSON Schema."""
    if isinstance(value, dict) and isinstance(value.get("description"), str):
        yield value["description"]
    if isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from descriptions(each)


def test_every_exit_status_of_the_table_of_codes_is_documented() -> None:
    page = (ROOT / "docs" / "errors.md").read_text()
    assert all(f"| {spec.exit_status} |" in page.partition("## Codes")[0] for spec in ERRORS.values())
