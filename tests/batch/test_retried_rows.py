"""Failures that are asked again, killed midway: each line keeps a row of its own, and each call is paid once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.batch.rows import Files
from tests.batch.test_money import answers_in, real
from tests.batch.test_retried_money import LINES, ONE, failed, named
from tests.batch.test_stops import begin
from tests.real.conftest import LITELLM_WARNINGS
from tests.real.vendor import Vendor
from tests.waiting import until

pytestmark = LITELLM_WARNINGS

#: Equal lines, with ids and without.
EQUAL = pytest.mark.parametrize("lines", [named("a", "b", "c"), [LINES[0]] * 3], ids=["named", "nameless"])
AGAIN = ("--retry-failed", "--no-dedupe")
FAILS, QUICK, SLOW = "{fault: {status: 400}}", "{chunks: [{text: Hello}]}", "{chunks: [{text: Hello, delay: 60}]}"


def answer(files: Files, *answers: str) -> tuple[str, str]:
    """Flags that have the mock give these answers, one after the other."""
    (files.lines.parent / "answers.yaml").write_text(f"rules:\n- answers: [{', '.join(answers)}]\n")
    return "--script", "answers.yaml"


@EQUAL
@pytest.mark.parametrize("answers", [(QUICK, SLOW), (SLOW, QUICK, SLOW)], ids=["the first", "a later one"])
def test_kill_9_after_one_of_several_equal_failures_was_asked_again_leaves_each_line_a_row(
    files: Files, environment: dict[str, str], lines: Any, answers: tuple[str, ...]
) -> None:
    assert files.run(*answer(files, FAILS), lines=lines).document["copied"] == 2
    process = begin(environment, files.lines.parent, *answer(files, *answers), *AGAIN)
    until(lambda: len(files.rows) == 4)
    process.kill()
    process.communicate()
    resumed = files.run("--no-dedupe").document
    assert (resumed["resumed"], resumed["failed_before"], resumed["ok"]) == (3, 2, 0)
    assert sorted(row["status"] for row in files.rows) == ["error", "error", "success"]
    assert files.run(*AGAIN).document["ok"] == 2
    assert [row["id"] for row in sorted(files.rows, key=lambda row: str(row["id"]))] == [
        line.get("id") for line in lines
    ]
    assert files.run(*AGAIN).document["resumed"] == 3


@EQUAL
@pytest.mark.parametrize("form", ["theoryctl", "openai"])
@pytest.mark.parametrize("kept", [0, 1, 2])
def test_one_call_for_equal_lines_that_are_asked_each_again_is_paid_once_wherever_that_is_cut_off(
    files: Files, lines: Any, form: str, kept: int
) -> None:
    shape = ("--format", form)
    assert failed(files, lines, *shape) == ONE
    before = files.out.read_bytes()
    with Vendor(answers_in(1000)) as vendor:
        real(files, vendor, *shape, *AGAIN, lines=lines)
        new = files.out.read_bytes().splitlines(keepends=True)
        files.out.write_bytes(before + new[kept])  # as kill -9 leaves it
        resumed = real(files, vendor, *shape, "--no-dedupe", lines=lines).document
        assert (resumed["resumed"], resumed["failed_before"], len(vendor.requests)) == (3, 2, 3)
        assert resumed["usage"]["spent_before_usd"] == pytest.approx(2 * ONE)
        real(files, vendor, *shape, *AGAIN, lines=lines)
        after = real(files, vendor, *shape, *AGAIN, lines=lines).document
    assert (len(files.rows), after["resumed"], after["failed_before"]) == (3, 3, 0)
    assert after["usage"]["spent_before_usd"] == pytest.approx(4 * ONE)


def test_equal_lines_of_which_only_one_was_written_get_its_answer(files: Files) -> None:
    lines = named("a", "b", "c")
    failed(files, lines)
    before = files.out.read_bytes()
    with Vendor(answers_in(1000)) as vendor:
        real(files, vendor, "--retry-failed", lines=lines)
        files.out.write_bytes(before + files.out.read_bytes().splitlines(keepends=True)[0])  # as kill -9 leaves it
        again = real(files, vendor, "--retry-failed", lines=[*lines, *named("d")]).document
        assert (again["copied"], len(vendor.requests), len(files.rows)) == (3, 1, 4)
    assert {row["status"] for row in files.rows} == {"success"}
    assert again["usage"]["spent_before_usd"] == pytest.approx(2 * ONE)
