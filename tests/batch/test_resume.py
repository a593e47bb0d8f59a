"""Resuming: the rows themselves say what is done, whatever killed the batch before."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.batch.rows import BATCH, Files, ask, read_rows, write_lines
from tests.conftest import Cli
from theoryctl.batch.output import OutputFile
from theoryctl.batch.rows import OurRows


def test_the_same_command_again_asks_nothing_again(files: Files) -> None:
    lines = [ask(str(number)) for number in range(5)]
    files.run(lines=lines)
    before = files.out.read_bytes()
    again = files.run().document
    assert (again["resumed"], again["ok"]) == (5, 0)
    assert files.out.read_bytes() == before


def test_new_lines_are_asked_wherever_they_were_put(files: Files) -> None:
    files.run(lines=[ask("one"), ask("two")])
    again = files.run(lines=[ask("new"), ask("one"), ask("two")]).document
    assert (again["resumed"], again["ok"]) == (2, 1)
    assert [row["line"] for row in files.rows] == [1, 2, 1]


@pytest.mark.parametrize("flags", [("-m", "openai/gpt-4o"), ("-o", "temperature=1")])
def test_another_model_or_input_is_another_request(files: Files, flags: tuple[str, ...]) -> None:
    files.run(lines=[ask("one")])
    assert files.run(*flags).document["ok"] == 1


def test_another_content_of_an_attachment_is_another_request(files: Files, working_folder: Path) -> None:
    line = {"inputs": ask("Sum it up."), "attach": {"note": "note.txt"}}
    for text in ("one", "two"):
        (working_folder / "note.txt").write_text(text)
        assert files.run(lines=[line]).document["ok"] == 1


def test_a_torn_last_row_is_mended_and_its_line_asked_again(files: Files) -> None:
    files.run(lines=[ask("one"), ask("two")])
    whole = files.out.read_bytes()
    files.out.write_bytes(whole[:-100])
    assert files.run().document["ok"] == 1
    assert [row["line"] for row in files.rows] == [1, 2]


def test_a_whole_last_row_without_its_end_is_kept(files: Files) -> None:
    files.run(lines=[ask("one"), ask("two")])
    whole = files.out.read_bytes()
    files.out.write_bytes(whole[:-1])
    assert files.run().document["resumed"] == 2
    assert files.out.read_bytes() == whole


def test_a_file_with_something_else_is_left_alone(files: Files) -> None:
    files.out.write_text("my own notes\n")
    ran = files.run(lines=[ask("one")])
    assert (ran.status, ran.document["error"]["code"]) == (2, "ERR_USAGE")
    assert "rows.jsonl line 1: expected a row of a batch" in ran.document["error"]["message"]
    assert files.out.read_text() == "my own notes\n"


@pytest.mark.parametrize("text", ["my own notes", '{\n  "answers": []\n}', "[1,\n{", "{}"])
def test_a_file_of_somebody_elses_keeps_a_last_line_without_an_end(files: Files, text: str) -> None:
    files.out.write_text(text)
    assert files.run(lines=[ask("one")]).status == 2
    assert files.out.read_text() == text


def test_lines_that_are_named_as_rows_by_mistake_keep_their_last_one(files: Files, cli: Cli) -> None:
    whole = json.dumps(ask("one")) + "\n" + json.dumps(ask("two"))
    files.lines.write_text(whole)
    assert cli(*BATCH, "lines.jsonl", "--out", "lines.jsonl").status == 2
    assert files.lines.read_text() == whole


@pytest.mark.parametrize(("form", "other"), [("theoryctl", "openai"), ("openai", "theoryctl")])
def test_a_last_row_in_another_form_than_is_asked_for_is_kept(files: Files, form: str, other: str) -> None:
    files.run("--format", form, lines=[ask("one")])
    whole = files.out.read_bytes().rstrip(b"\n")
    files.out.write_bytes(whole)
    assert files.run("--format", other).status == 2
    assert files.out.read_bytes() == whole


@pytest.mark.parametrize(
    ("form", "whole"),
    [
        ("theoryctl", b'{"schema":"theoryctl.batch/v1","hello":1}'),
        ("theoryctl", b'{"schema":"theoryctl.batch/v1","hello":1}{"more": 1'),
        ("theoryctl", b'{"schema":"theoryctl.batch/v1","deep":' + b"[" * 50_000 + b"]" * 50_000 + b"}"),
        ("openai", b'{"id":"batch_req_1","custom_id":"a","response":{"status_code":200,"body":{}},"error":null}'),
        *((form, b"\0" * 5000) for form in ("theoryctl", "openai")),
    ],
)
def test_something_whole_that_begins_as_a_row_is_no_torn_one(files: Files, form: str, whole: bytes) -> None:
    write_lines(files.lines, [ask("one")])
    for content in (whole, whole + b"\0" * 50):
        files.out.write_bytes(content)
        _check_refused(files, form)


@pytest.mark.parametrize("form", ["theoryctl", "openai"])
def test_a_whole_row_is_kept_without_the_zeros_that_a_power_cut_leaves_behind_it(files: Files, form: str) -> None:
    files.run("--format", form, lines=[ask("one"), ask("two")])
    whole = files.out.read_bytes()
    files.out.write_bytes(whole[:-1] + b"\0" * 50)
    assert files.run("--format", form).document["resumed"] == 2
    assert files.out.read_bytes() == whole


@pytest.mark.parametrize("form", ["theoryctl", "openai"])
@pytest.mark.parametrize("left", [0, 1, 12, 40, 300])
def test_a_row_that_is_torn_anywhere_is_mended(files: Files, form: str, left: int) -> None:
    files.run("--format", form, lines=[ask("one"), ask("two")])
    first, second = files.out.read_bytes().splitlines(keepends=True)
    for zeros in (b"", b"\0" * 50):  # as a power cut leaves them
        files.out.write_bytes(first + second[:left] + zeros)
        again = files.run("--format", form).document
        assert (again["resumed"], again["ok"]) == (1, 1)
        assert files.out.read_bytes().startswith(first)
        assert len(files.rows) == 2


def test_a_link_to_a_file_of_rows_stays_one_where_the_rows_are_ordered(files: Files, working_folder: Path) -> None:
    kept = working_folder / "kept.jsonl"
    files.out.symlink_to(kept)
    files.run(lines=[ask("one"), ask("two")])
    kept.write_text("".join(reversed(kept.read_text().splitlines(keepends=True))))
    assert files.run("--ordered").status == 0
    assert files.out.is_symlink()
    assert [row["line"] for row in read_rows(kept)] == [1, 2]


def test_a_pipe_in_the_place_of_a_file_of_rows_is_told_before_anything_is_asked(files: Files) -> None:
    os.mkfifo(files.out)
    ran = files.run(lines=[ask("one")])
    assert (ran.status, ran.document["error"]["code"]) == (2, "ERR_USAGE")
    assert "--out rows.jsonl: expected a regular file" in ran.document["error"]["message"]
    assert "--out -" in ran.document["error"]["hint"]


def test_rows_in_a_folder_that_is_not_there_are_hinted_to_make_it(files: Files, cli: Cli) -> None:
    write_lines(files.lines, [ask("one")])
    ran = cli(*BATCH, "lines.jsonl", "--out", "no/such/rows.jsonl", "--json")
    assert ran.document["error"]["hint"] == "mkdir -p no/such"


#: Numbers that no batch writes, as they stand in JSON.
_ODD_NUMBERS = ("[1]", '"much"', "true", "NaN", "Infinity", "-Infinity", "1e999", "-5", "-0.5", "1" + "0" * 400)


@pytest.mark.parametrize("form", ["theoryctl", "openai"])
@pytest.mark.parametrize("name", ["cost_usd", "input_tokens"])
def test_a_row_with_a_number_that_no_batch_writes_is_told_by_its_own(files: Files, form: str, name: str) -> None:
    files.run("--format", form, lines=[ask("a")])
    whole = files.out.read_text()
    for number in _ODD_NUMBERS:
        odd = re.sub(rf'("{name}":)[^,]+', rf"\g<1>{number}", whole, count=1)
        for text in (odd, odd.rstrip("\n")):
            files.out.write_text(text)
            _check_refused(files, form)


@pytest.mark.parametrize("form", ["theoryctl", "openai"])
def test_a_failure_with_a_number_that_no_batch_writes_is_told_by_its_own(files: Files, form: str) -> None:
    (files.out.parent / "answers.yaml").write_text("rules:\n- answers: [{fault: {status: 400}}]\n")
    files.run("--format", form, "--script", "answers.yaml", lines=[ask("a")])
    whole = files.out.read_text()
    for number in _ODD_NUMBERS:
        files.out.write_text(re.sub(r'("cost_usd":)[^,]+', rf"\g<1>{number}", whole, count=1))
        _check_refused(files, form)


@pytest.mark.parametrize("form", ["theoryctl", "openai"])
@pytest.mark.parametrize("deep", ["[" * 100_000, '{"x":' + "[" * 5000 + "]" * 5000 + "}"])
def test_a_row_that_is_too_deep_to_be_read_is_told_by_its_number(files: Files, form: str, deep: str) -> None:
    write_lines(files.out, [deep])
    _check_refused(files, form, lines=[ask("a")])


@pytest.mark.parametrize("form", ["theoryctl", "openai"])
@pytest.mark.parametrize("number", ["1" * 30, "-1", "null", '"1"'])
def test_a_row_with_an_odd_number_of_its_line_is_told_before_rows_are_ordered(
    files: Files, form: str, number: str
) -> None:
    files.run("--format", form, lines=[ask("a")])
    files.out.write_text(re.sub(r'("line":)\d+', rf"\g<1>{number}", files.out.read_text(), count=1))
    _check_refused(files, form, "--ordered")


def _check_refused(files: Files, form: str, *flags: str, **options: Any) -> None:
    before = files.out.read_bytes()
    ran = files.run("--format", form, *flags, **options)
    assert (ran.status, ran.document["error"]["code"]) == (2, "ERR_USAGE"), ran.err
    assert "rows.jsonl line 1: expected a row of a batch" in ran.document["error"]["message"]
    assert files.out.read_bytes() == before


@pytest.mark.parametrize("form", ["theoryctl", "openai"])
def test_an_equal_line_gets_the_answer_of_a_row_as_it_stands(files: Files, form: str) -> None:
    lines = [{"id": name, "inputs": ask("same")} for name in ("a", 'b"\\é')]
    files.run("--format", form, lines=lines[:1])
    own, odd = ("id", "model") if form == "theoryctl" else ("custom_id", "object")
    row = files.out.read_text()
    files.out.write_text(re.sub(rf'("{odd}":)"[^"]+"', r'\g<1>"\\ud800' + "é" + '"', row, count=1))
    ran = files.run("--format", form, lines=lines)
    assert (ran.status, ran.document["copied"]) == (0, 1), ran.err
    first, second = files.rows
    if form == "openai":
        first["metadata"]["line"] = 2
    assert second == {**first, own: 'b"\\é', **({"line": 2} if form == "theoryctl" else {})}
    assert files.out.read_text().count('"\\ud800é"') == 2


@pytest.mark.parametrize("form", ["theoryctl", "openai"])
def test_a_row_whose_members_stand_in_another_order_is_read_and_copied(files: Files, form: str) -> None:
    lines = [{"id": name, "inputs": ask("same")} for name in "ab"]
    files.run("--format", form, lines=lines[:1])
    [row] = files.rows
    write_lines(files.out, [{**dict(reversed(row.items())), "mine": [float("nan"), "\ud800"]}])
    ran = files.run("--format", form, "--ordered", lines=lines)
    assert (ran.status, ran.document["copied"], ran.document["resumed"]) == (0, 1, 1), ran.err
    assert [each.get("id" if form == "theoryctl" else "custom_id") for each in files.rows] == ["a", "b"]


def test_equal_lines_are_asked_once_and_each_gets_its_row(files: Files) -> None:
    lines = [{"id": name, "inputs": ask("same")} for name in "abc"]
    ran = files.run(lines=lines)
    assert (ran.document["ok"], ran.document["copied"]) == (1, 2)
    assert [(row["id"], row["line"]) for row in files.rows] == [("a", 1), ("b", 2), ("c", 3)]
    assert len({row["run_id"] for row in files.rows}) == 1


def test_equal_lines_are_asked_each_where_that_is_wanted(files: Files) -> None:
    assert files.run("--no-dedupe", lines=[ask("same")] * 3).document["ok"] == 3
    assert len({row["run_id"] for row in files.rows}) == 3


def test_an_equal_line_without_a_row_gets_the_answer_of_the_earlier_run(files: Files) -> None:
    lines = [{"id": name, "inputs": ask("same")} for name in "abc"]
    files.run(lines=lines)
    first = files.out.read_bytes().splitlines(keepends=True)[0]
    files.out.write_bytes(first)
    again = files.run().document
    assert (again["ok"], again["copied"], again["resumed"]) == (0, 2, 1)
    assert sorted(row["id"] for row in files.rows) == ["a", "b", "c"]
    assert len({row["run_id"] for row in files.rows}) == 1


def test_lines_that_failed_are_asked_again_only_where_that_is_wanted(files: Files, working_folder: Path) -> None:
    rule = "rules:\n- when: {user: {contains: bad}}\n  answers: [{fault: {status: 400}}]\n"
    (working_folder / "answers.yaml").write_text(rule)
    lines = [ask("good"), ask("bad")]
    failing = files.run("--script", "answers.yaml", lines=lines)
    assert (failing.status, sum(failing.document["failed"].values())) == (1, 1)
    resumed = files.run().document
    assert (resumed["resumed"], resumed["failed_before"]) == (2, 1)
    again = files.run("--retry-failed").document
    assert (again["resumed"], again["failed_before"], again["ok"]) == (1, 0, 1)
    assert sorted(row["line"] for row in files.rows) == [1, 2]
    assert {row["status"] for row in files.rows} == {"success"}


@pytest.mark.parametrize(("flag", "status"), [("2", 1), ("3", 0), ("74%", 1), ("75%", 0)])
def test_lines_that_failed_before_count_as_in_the_run_that_they_failed_in(
    files: Files, working_folder: Path, flag: str, status: int
) -> None:
    rule = "rules:\n- when: {user: {contains: bad}}\n  answers: [{fault: {status: 400}}]\n"
    (working_folder / "answers.yaml").write_text(rule)
    lines = [ask("good"), ask("bad"), ask("bad"), ask("also bad")]
    assert files.run("--script", "answers.yaml", "--allow-failures", flag, lines=lines).status == status
    resumed = files.run("--allow-failures", flag)
    assert (resumed.status, resumed.document["resumed"], resumed.document["failed_before"]) == (status, 4, 3)
    assert "3 lines failed; --retry-failed asks again" in resumed.err
    assert files.run("--retry-failed", "--allow-failures", "0").status == 0


def test_a_failure_of_a_line_that_was_corrected_is_told_no_more(files: Files, working_folder: Path) -> None:
    rule = "rules:\n- when: {user: {contains: typo}}\n  answers: [{fault: {status: 400}}]\n"
    (working_folder / "answers.yaml").write_text(rule)
    files.run("--script", "answers.yaml", lines=[ask("good"), ask("typo")])
    corrected = files.run(lines=[ask("good"), ask("mended")]).document
    assert (corrected["failed_before"], corrected["ok"]) == (0, 1)
    assert files.run().document["failed_before"] == 0


def test_two_batches_never_write_to_one_file(files: Files) -> None:
    with OutputFile(str(files.out), OurRows()):
        error = files.run(lines=[ask("one")]).document["error"]
    assert (error["code"], error["message"]) == ("ERR_USAGE", "rows.jsonl: another batch is writing to it")


def test_a_batch_that_is_refused_leaves_no_empty_file(files: Files) -> None:
    files.run(lines=[{"x": 1}])
    assert not files.out.exists()
