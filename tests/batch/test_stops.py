"""Stops: Ctrl-C, kill -9, and a vendor that goes away. Nothing is lost, and little is asked twice."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.batch.rows import BATCH, ask, read_rows, write_lines
from tests.conftest import REF, THEORYCTL, Cli

CONCURRENCY = 4
#: Rows that are there when a batch is killed.
KILLED_AT = (1, 20, 40)


@pytest.fixture
def started(cli: Cli, environment: dict[str, str], working_folder: Path) -> subprocess.Popen[bytes]:
    """A batch of many slow lines in a process of its own: a script waits in each."""
    (working_folder / "answers.yaml").write_text("rules:\n- answers: [{chunks: [{text: Hello, delay: 0.1}]}]\n")
    write_lines(working_folder / "lines.jsonl", [ask(str(number)) for number in range(60)])
    return begin(environment, working_folder, "--script", "answers.yaml")


def begin(environment: dict[str, str], folder: Path, *flags: str) -> subprocess.Popen[bytes]:
    files = ("lines.jsonl", "--out", "rows.jsonl", "--concurrency", str(CONCURRENCY))
    return subprocess.Popen(
        [str(THEORYCTL), *BATCH, *files, "--json", *flags],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for_rows(folder: Path, count: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        file = folder / "rows.jsonl"
        if file.exists() and file.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.01)
    raise AssertionError("no rows came")


def test_ctrl_c_finishes_what_is_in_flight(started: subprocess.Popen[bytes], working_folder: Path, cli: Cli) -> None:
    wait_for_rows(working_folder, 1)
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=20)
    told = json.loads(out)
    assert (started.returncode, told["error"]["code"]) == (130, "ERR_INTERRUPTED")
    assert f"finishing {CONCURRENCY} in flight first" in err.decode()
    assert told["ok"] == len(read_rows(working_folder / "rows.jsonl")) == 60 - told["left"]
    assert {row["status"] for row in read_rows(working_folder / "rows.jsonl")} == {"success"}
    again = cli(*BATCH, "lines.jsonl", "--out", "rows.jsonl", "--json").document
    assert (again["resumed"], again["ok"]) == (told["ok"], told["left"])


def test_a_second_ctrl_c_ends_at_once(environment: dict[str, str], working_folder: Path) -> None:
    (working_folder / "answers.yaml").write_text("rules:\n- answers: [{chunks: [{text: Hello, delay: 60}]}]\n")
    write_lines(working_folder / "lines.jsonl", [ask("one")])
    process = begin(environment, working_folder, "--script", "answers.yaml")
    assert process.stderr is not None
    process.stderr.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert b"in flight first" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert not (working_folder / "rows.jsonl").exists()


def test_nothing_is_lost_to_kill_9_and_only_what_was_in_flight_is_asked_twice(
    environment: dict[str, str], working_folder: Path, cli: Cli
) -> None:
    """The instance's log counts what it was asked; a script waits in each answer."""
    (working_folder / "answers.yaml").write_text("rules:\n- answers: [{chunks: [{text: Hello, delay: 0.05}]}]\n")
    write_lines(working_folder / "lines.jsonl", [ask(str(number)) for number in range(60)])
    start = ("local", "start", "--ref", REF, "--runtime", "process", "--script", "answers.yaml")
    assert cli(*start).status == 0
    try:
        for wanted in KILLED_AT:
            process = begin(environment, working_folder)
            wait_for_rows(working_folder, wanted)
            process.kill()
            process.communicate()
        assert cli(*BATCH, "lines.jsonl", "--out", "rows.jsonl").status == 0
        time.sleep(0.2)  # what was cut off is logged when it has ended
        asked = len(requests_of(cli))
    finally:
        cli("local", "stop", "--all")
    assert Counter(row["line"] for row in read_rows(working_folder / "rows.jsonl")) == Counter(range(1, 61))
    assert 60 <= asked <= 60 + len(KILLED_AT) * CONCURRENCY


def test_a_started_instance_answers_a_batch_as_the_embedded_runtime_does(cli: Cli, working_folder: Path) -> None:
    write_lines(working_folder / "lines.jsonl", [ask(str(number)) for number in range(8)])
    assert cli(*BATCH, "lines.jsonl", "--out", "here.jsonl").status == 0
    assert cli("local", "start", "--ref", REF, "--runtime", "process").status == 0
    try:
        ran = cli(*BATCH, "lines.jsonl", "--out", "there.jsonl", "--json", "--ordered", "--no-dedupe")
        assert (ran.status, ran.document["ok"]) == (0, 8), ran.err
    finally:
        cli("local", "stop", "--all")
    here, there = read_rows(working_folder / "here.jsonl"), read_rows(working_folder / "there.jsonl")
    assert {row["runtime"] for row in there} == {"process"}
    for name in ("line", "outputs", "usage", "request_digest"):
        assert [row[name] for row in here] == [row[name] for row in there]


def test_an_instance_that_serves_mocks_only_is_asked_no_real_line(cli: Cli, working_folder: Path) -> None:
    write_lines(working_folder / "lines.jsonl", [ask("one")])
    assert cli("local", "start", "--ref", REF, "--runtime", "process", "--mode", "mock").status == 0
    try:
        ran = cli(*BATCH, "lines.jsonl", "--out", "rows.jsonl", "--mode", "real", "--json")
        estimated = cli(*BATCH, "lines.jsonl", "--estimate")
        asked = requests_of(cli)
    finally:
        cli("local", "stop", "--all")
    assert (ran.status, ran.document["error"]["code"], asked) == (2, "ERR_USAGE", [])
    assert "--runtime embedded" in ran.document["error"]["hint"]
    assert estimated.status == 0
    assert not (working_folder / "rows.jsonl").exists()


def requests_of(cli: Cli) -> list[str]:
    """The lines of an instance's log that tell of a request."""
    lines = cli("local", "logs", "--ref", REF, "--json").out.splitlines()
    return [line for line in lines if "run_id" in line]
