"""The page about a batch."""

from __future__ import annotations

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
