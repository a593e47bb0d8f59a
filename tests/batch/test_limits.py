"""Limits of the system: a full disk, for which a limit on the size of files stands, and a limit on open files."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.batch.rows import BATCH, Files, ask, write_lines
from tests.conftest import REF, THEORYCTL, Cli
from tests.ledger.conftest import query


def limited(
    kib: int, environment: dict[str, str], folder: Path, *flags: str, lines: str = "lines.jsonl"
) -> subprocess.CompletedProcess[str]:
    """Run a batch that can write no file of more than so many KiB; the lines are on standard input too."""
    command = shlex.join([str(THEORYCTL), *BATCH, lines, *flags, "--json"])
    env = {**environment, "PYTHONDONTWRITEBYTECODE": "1"}
    run = ["bash", "-c", f"ulimit -f {kib}; exec {command}"]
    stdin = (folder / "lines.jsonl").read_text()
    return subprocess.run(run, cwd=folder, env=env, input=stdin, capture_output=True, text=True)


def test_a_full_disk_while_a_file_is_put_right_is_told_and_leaves_it_whole(
    files: Files, environment: dict[str, str]
) -> None:
    (files.out.parent / "answers.yaml").write_text("rules:\n- answers: [{fault: {status: 400}}]\n")
    files.run("--script", "answers.yaml", lines=[ask(str(number)) for number in range(6)])
    failures = files.out.read_bytes()
    files.run("--retry-failed")
    killed = failures + files.out.read_bytes()  # as kill -9 leaves it
    files.out.write_bytes(killed)
    done = limited(4, environment, files.out.parent, "--out", "rows.jsonl")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (1, "ERR_OUTPUT"), done.stderr
    assert "rows.jsonl cannot be written" in error["message"]
    assert files.out.read_bytes() == killed


def test_a_full_disk_leaves_whole_rows(files: Files, environment: dict[str, str]) -> None:
    write_lines(files.lines, [ask(str(number)) for number in range(100)])
    assert limited(20, environment, files.out.parent, "--out", "rows.jsonl").returncode == 1
    assert files.out.read_bytes().endswith(b"}\n") and len(files.rows) > 10
    assert files.run().document["resumed"] > 10


def test_lines_from_standard_input_that_find_no_room_are_told(
    files: Files, environment: dict[str, str], working_folder: Path
) -> None:
    write_lines(files.lines, [ask("long" * 1000) for _ in range(10)])
    done = limited(20, environment, working_folder, "--out", "rows.jsonl", lines="-")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (1, "ERR_OUTPUT")
    assert error["message"] == "the lines cannot be copied to a temporary file: File too large"


def test_rows_that_find_no_room_to_wait_for_their_turn_are_written_before_the_batch_ends(
    files: Files, environment: dict[str, str], working_folder: Path
) -> None:
    write_lines(files.lines, [ask(str(number)) for number in range(60)])
    slow = "- when: {user: {equals: '0'}}\n  answers: [{chunks: [{text: Hello, delay: 3}]}]\n"
    rules = f"rules:\n{slow}- answers: [{{text: Hello}}]\n"
    (working_folder / "answers.yaml").write_text(rules)
    done = limited(16, environment, working_folder, "--out", "-", "--ordered", "--script", "answers.yaml")
    numbers = [json.loads(line).get("line") for line in done.stdout.splitlines()]
    assert (done.returncode, len(numbers) > 8, 1 in numbers) == (1, True, True)
    assert "--ordered: rows that wait cannot be written" in done.stderr


@pytest.mark.parametrize("out", ["rows.jsonl", "-"])
def test_answers_that_find_no_room_and_those_in_flight_are_in_the_ledger(
    files: Files, environment: dict[str, str], working_folder: Path, out: str
) -> None:
    write_lines(files.lines, [ask(str(number)) for number in range(4)])
    slow = (
        {"when": {"user": {"equals": str(n)}}, "answers": [{"chunks": [{"text": "long" * 50_000, "delay": n / 8}]}]}
        for n in range(4)
    )
    (working_folder / "answers.yaml").write_text(json.dumps({"rules": [*slow]}))
    environment["THEORYCTL_LEDGER"] = "mock"
    if out == "-":
        command = [str(THEORYCTL), *BATCH, "lines.jsonl", "--out", "-", "--script", "answers.yaml"]
        with Path("/dev/full").open("w") as full:
            status = subprocess.run(command, cwd=working_folder, env=environment, stdout=full).returncode
    else:
        status = limited(300, environment, working_folder, "--out", out, "--script", "answers.yaml").returncode
        assert len(files.rows) == 1
    assert status == 1
    assert query(Path(environment["HOME"]) / ".local/state/theoryctl", "SELECT count(*) FROM runs") == [(4,)]


@pytest.mark.parametrize(
    ("hard", "allowed", "fitting"),
    [(4096, 1256, range(500, 501)), (1000, 1000, range(450, 490)), (30, 30, range(1, 2))],
)
def test_calls_at_the_same_time_may_open_as_many_files_as_the_system_allows(
    hard: int, allowed: int, fitting: range
) -> None:
    script = f"""
from resource import RLIMIT_NOFILE, getrlimit, setrlimit
from theoryctl.batch.engines import allow_open_files
setrlimit(RLIMIT_NOFILE, ({min(hard, 256)}, {hard}))
print(allow_open_files(500), allow_open_files(16), *getrlimit(RLIMIT_NOFILE))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    most, few, *limits = map(int, done.stdout.split())
    assert (most in fitting, few, limits) == (True, min(most, 16), [allowed, hard])


def test_more_calls_than_may_open_a_file_each_are_told_and_fail_no_line(
    cli: Cli, environment: dict[str, str], working_folder: Path
) -> None:
    (working_folder / "answers.yaml").write_text("rules:\n- answers: [{chunks: [{text: Hello, delay: 0.2}]}]\n")
    write_lines(working_folder / "lines.jsonl", [ask(str(number)) for number in range(60)])
    assert cli("local", "start", "--ref", REF, "--runtime", "process", "--script", "answers.yaml").status == 0
    try:
        command = f"ulimit -n 64; exec {THEORYCTL} {' '.join(BATCH)} lines.jsonl --out - --concurrency 500"
        ran = subprocess.run(
            ["bash", "-c", command], cwd=working_folder, env=environment, capture_output=True, text=True
        )
    finally:
        cli("local", "stop", "--all")
    assert (ran.returncode, ran.stdout.count('"status":"success"')) == (0, 60), ran.stderr
    assert re.search("--concurrency 500: 1?[0-9] at a time, as few files may be open here", ran.stderr)
