"""A batch as people see it: a bar at a terminal, lines elsewhere, and a summary."""

from __future__ import annotations

import os
import pty
import subprocess
from collections import Counter
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tests.batch.rows import BATCH, Files, ask, write_lines
from tests.conftest import THEORYCTL, Cli
from tests.terminal.conftest import ESCAPE, read_all
from theoryctl.batch.tally import Tally
from theoryctl.results.batch import BatchResult
from theoryctl.terminal.batch_display import progress_line
from theoryctl.terminal.progress_bar import Bar
from theoryctl.terminal.views.batch import summary


def test_a_terminal_gets_a_bar_that_leaves_nothing_behind(environment: dict[str, str], working_folder: Path) -> None:
    write_lines(working_folder / "lines.jsonl", [ask(str(number)) for number in range(300)])
    (out_master, out), (err_master, err) = pty.openpty(), pty.openpty()
    command = [str(THEORYCTL), *BATCH, "lines.jsonl", "--out", "rows.jsonl"]
    wide = {**environment, "COLUMNS": "100"}
    with subprocess.Popen(command, stdout=out, stderr=err, env=wide, cwd=working_folder) as process:
        os.close(out)
        os.close(err)
        printed, shown = read_all(out_master, err_master)
        process.wait(timeout=30)
    assert "300/300" in shown
    assert "/s" in ESCAPE.sub("", shown)
    assert shown.rstrip().endswith("\x1b[2K")
    assert "300" in printed
    assert "/300" not in printed


def test_a_bar_shows_no_total_before_one_is_known() -> None:
    shown = StringIO()
    bar = Bar(Console(file=shown, force_terminal=True, width=100))
    bar.end()
    assert "0/?" in shown.getvalue()
    assert "/100" not in shown.getvalue()


def test_a_pipe_gets_a_line_with_rate_time_cost_and_failures() -> None:
    tally = Tally(asked=5000, ok=1190, failed=Counter({"ERR_TIMEOUT": 9, "ERR_INPUTS": 1}), cost_usd=0.35)
    tally.began -= 10
    assert progress_line(tally) == (
        "1,200 of 5,000 lines (24 %), 120/s, 31 s to go, $0.35, 10 failed: ERR_TIMEOUT 9, ERR_INPUTS 1"
    )
    tally.least = 20.0, "rpm"
    assert ", 31 s to go, " in progress_line(tally)
    tally.least = 90.0, "tpm"
    assert ", 1 min to go by --tpm, " in progress_line(tally)


def test_a_batch_that_waits_after_failures_says_for_how_long_and_no_time_to_go() -> None:
    tally = Tally(asked=40, ok=36, again=4, pause=12.0)
    tally.began -= 10
    assert progress_line(tally) == "36 of 40 lines (90 %), 3.6/s, 4 lines to ask again, waiting 12 s for the next call"


def result(**changed: object) -> BatchResult:
    counts = {"lines": 10, "invalid": 0, "resumed": 0, "copied": 0, "ok": 9, "failed": {"ERR_TIMEOUT": 1}, "left": 0}
    tokens = {"input_tokens": 1000, "output_tokens": 20, "cost_usd": 0.5, "unpriced": 2, "spent_before_usd": 0.25}
    latency = {"p50": 900, "p90": 1500, "p99": 2000}
    rest = {"out": "rows.jsonl", "retried": 3, "latency_ms": latency, "seconds": 4.0}
    return BatchResult(**{**counts, **tokens, **rest, **changed})  # type: ignore[arg-type]  # each is of its own type


def test_a_summary_counts_failures_by_code_tokens_cost_and_latency() -> None:
    assert dict(summary(result())) == {
        "lines": "10",
        "ok": "9",
        "failed ERR_TIMEOUT": "1",
        "asked again": "3",
        "tokens": "1,000 in, 20 out",
        "cost": "$0.5 and 2 calls of unknown price; $0.25 before",
        "latency": "p50 900 ms, p90 1.5 s, p99 2.0 s",
        "time": "4.0 s, 2.5 lines/s",
        "rows": "rows.jsonl",
    }


def test_failures_of_earlier_runs_are_told_apart_and_so_is_the_way_on(cli: Cli, working_folder: Path) -> None:
    rule = "rules:\n- when: {user: {contains: bad}}\n  answers: [{fault: {status: 400}}]\n"
    (working_folder / "answers.yaml").write_text(rule)
    write_lines(working_folder / "lines.jsonl", [ask("good"), ask("bad")])
    flags = (*BATCH, "lines.jsonl", "--out", "rows.jsonl", "--script", "answers.yaml")
    first, again = cli(*flags), cli(*flags)
    assert [ran.err.splitlines()[-1] for ran in (first, again)] == ["1 line failed; --retry-failed asks again"] * 2
    assert again.out == "lines          2\ndone before    1\nfailed before  1\nrows           rows.jsonl\n"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"cost_usd": None}, "unknown; $0.25 before"),
        ({"unpriced": 0, "spent_before_usd": 0.0}, "$0.5"),
        ({"unpriced": 0, "spent_before_usd": None, "unpriced_before": 1}, "$0.5; unknown before"),
        ({"unpriced": 0, "unpriced_before": 3}, "$0.5; $0.25 and 3 calls of unknown price before"),
        ({"unpriced": 1, "spent_before_usd": 0}, "$0.5 and 1 call of unknown price"),
    ],
)
def test_a_summary_says_where_nobody_knows_a_cost(changed: dict[str, object], said: str) -> None:
    assert dict(summary(result(**changed)))["cost"] == said


def test_a_summary_says_where_nobody_knows_the_tokens() -> None:
    assert dict(summary(result(input_tokens=None, output_tokens=None)))["tokens"] == "unknown in, unknown out"


def test_a_summary_names_no_file_that_is_not_there() -> None:
    nothing = {"ok": 0, "failed": {}, "left": 10}
    stopped = result(**nothing, error={"code": "ERR_AUTH", "message": "refused", "hint": None, "retryable": False})
    assert "rows" not in dict(summary(stopped))
    assert "rows" not in dict(summary(result(**nothing, detached="batch_1")))
    assert dict(summary(result(ok=0, failed={}, lines=0)))["rows"] == "rows.jsonl"


@pytest.mark.parametrize(("allowed", "status"), [(0.0, 1), (1.0, 0), (0.5, 1)])
def test_as_many_lines_may_fail_as_are_allowed_to(allowed: float, status: int) -> None:
    assert result(allowed=allowed).exit_status == status


@pytest.mark.parametrize(("flag", "status"), [("0", 1), ("1", 0), ("50%", 0), ("49%", 1)])
def test_failures_are_allowed_by_number_or_share(files: Files, flag: str, status: int) -> None:
    (files.lines.parent / "answers.yaml").write_text(
        "rules:\n- when: {user: {contains: bad}}\n  answers: [{fault: {status: 400}}]\n"
    )
    ran = files.run("--script", "answers.yaml", "--allow-failures", flag, lines=[ask("good"), ask("bad")])
    assert (ran.status, ran.document["ok"]) == (status, 1)


@pytest.mark.parametrize(
    ("flag", "hint"), [("some", "10"), ("101%", "10"), ("-1", "10"), ("1.5", "--allow-failures 1.5%")]
)
def test_an_odd_number_of_allowed_failures_is_refused(files: Files, flag: str, hint: str) -> None:
    ran = files.run("--allow-failures", flag, lines=[ask("one")])
    assert (ran.status, files.out.exists()) == (2, False)
    assert hint in ran.document["error"]["hint"]
