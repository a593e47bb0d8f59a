"""The page about a batch."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest

from tests.batch.rows import Files, ask
from tests.conftest import Cli
from tests.ledger.test_report import Tables


def test_a_batch_has_a_page_with_the_numbers_of_its_rows(files: Files, cli: Cli) -> None:
    env = {"THEORYCTL_LEDGER": "mock"}
    cli("local", "run", "another run", "--mode", "mock", env=env)
    ran = files.run("--report", "page.html", lines=[ask("a"), ask("b"), ask("b")], env=env)
    assert (ran.status, ran.document["report"]) == (0, "page.html"), ran.err
    tables = Tables((files.out.parent / "page.html").read_text()).tables
    [costs] = [
        each for each in cli("runs", "cost", "--by", "source", "--json").document["costs"] if each["source"] == "batch"
    ]
    names = ("runs", "failed", "input_tokens", "output_tokens")
    assert tables["costs"][1][1:5] == [repr(costs[name]) for name in names]
    assert {line[-1] for line in tables["runs"][1:]} == {row["run_id"][:14] for row in files.rows}


def test_its_page_needs_no_ledger_and_has_the_rows_of_earlier_runs(files: Files) -> None:
    off = {"THEORYCTL_LEDGER": "off"}
    files.run(lines=[ask("a")], env=off)
    files.run("--report", "page.html", lines=[ask("a"), ask("b")], env=off)
    assert len(Tables((files.out.parent / "page.html").read_text()).tables["runs"][1:]) == 2


@pytest.mark.parametrize(
    ("flags", "status"), [(("--report", "none/page.html"), 1), (("--report", "p", "--format", "openai"), 2)]
)
def test_a_page_that_cannot_be_written_is_told_before_the_first_call(
    files: Files, working_folder: Path, flags: tuple[str, ...], status: int
) -> None:
    ran = files.run(*flags, lines=[ask("a")])
    assert ran.status == status
    assert not files.out.exists()


@pytest.mark.parametrize("report", ["lines.jsonl", "rows.jsonl", "link", "hard"])
def test_the_page_is_never_written_over_the_lines_or_the_rows(files: Files, working_folder: Path, report: str) -> None:
    files.run(lines=[ask("a")])
    (working_folder / "link").symlink_to("rows.jsonl")
    (working_folder / "hard").hardlink_to(files.out)
    before = files.lines.read_bytes(), files.out.read_bytes()
    ran = files.run("--report", report)
    assert (ran.status, "--report page.html" in ran.document["error"]["hint"]) == (2, True)
    assert (files.lines.read_bytes(), files.out.read_bytes()) == before


def test_the_page_may_not_be_where_the_rows_will_be(files: Files) -> None:
    assert files.run("--report", "./rows.jsonl", lines=[ask("a")]).status == 2
    assert not files.out.exists()


def test_a_fifo_or_a_folder_is_no_place_for_the_page(files: Files, working_folder: Path, cli: Cli) -> None:
    os.mkfifo(working_folder / "fifo")
    (working_folder / "folder").mkdir()
    for name in ("fifo", "folder"):
        ran = files.run("--report", name, lines=[ask("a")])
        assert (ran.status, "--report page.html" in ran.document["error"]["hint"]) == (1, True)
    assert cli("runs", "report", "--html", "fifo").status == 1
    assert (working_folder / "fifo").is_fifo() and not files.out.exists()


def test_a_link_stays_and_its_file_is_the_page(files: Files, working_folder: Path, cli: Cli) -> None:
    link = working_folder / "link.html"
    link.symlink_to("page.html")
    assert files.run("--report", "link.html", lines=[ask("a")]).status == 0
    assert link.is_symlink() and "<html" in (working_folder / "page.html").read_text()
    assert cli("runs", "report", "--html", "link.html").status == 0
    assert link.is_symlink()


def test_a_folder_that_is_missing_is_told_with_a_command_that_can_be_pasted(files: Files, working_folder: Path) -> None:
    ran = files.run("--report", "a b/page.html", lines=[ask("a")])
    assert shlex.split(ran.document["error"]["hint"]) == ["mkdir", "-p", str(working_folder.resolve() / "a b")]


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        (None, "model", "\ud800x"),
        (None, "run_id", "\udc00"),
        (None, "error", {"code": "\ud800"}),
        ("meta", "duration_ms", "12"),
        ("meta", "duration_ms", True),
        ("meta", "started_at", "yesterday"),
        ("meta", "started_at", None),
        ("meta", "image", 5),
        ("usage", "cache_write_tokens", [1]),
        ("usage", "reasoning_tokens", 10**30),
        ("usage", "cached_input_tokens", float("nan")),
    ],
)
def test_a_row_with_a_value_of_another_type_is_told_by_its_number(
    files: Files, part: str | None, name: str, value: object
) -> None:
    files.run(lines=[ask("a")])
    [row] = files.rows
    (row if part is None else row[part])[name] = value
    files.out.write_text(json.dumps(row) + "\n")
    ran = files.run("--report", "page.html")
    assert (ran.status, ran.document["error"]["code"]) == (1, "ERR_OUTPUT"), ran.err
    assert "row 1 of rows.jsonl" in ran.document["error"]["message"]
    assert not (files.out.parent / "page.html").exists()


def test_a_row_that_is_no_envelope_is_told_by_its_number(files: Files) -> None:
    files.run(lines=[ask("a")])
    [row] = files.rows
    del row["meta"]
    files.out.write_text(json.dumps(row) + "\n")
    ran = files.run("--report", "page.html", lines=[ask("a"), ask("b")])
    assert (ran.status, ran.document["error"]["code"], ran.document["ok"]) == (1, "ERR_OUTPUT", 1)
    assert "row 1 of rows.jsonl" in ran.document["error"]["message"]
