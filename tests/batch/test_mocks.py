"""Mock batches: what a script says is the answer of a line, failures included, in every run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.batch.rows import Files, ask
from tests.conftest import REF, Cli

#: Every fourth of them is bad.
LINES = [ask(f"{number} {'bad' if number % 4 == 3 else 'ok'}") for number in range(80)]


def scripted(files: Files, fault: str, *flags: str, rest: str = "{text: fine}", lines: Any = LINES) -> Any:
    rule = f"{{when: {{user: {{contains: bad}}}}, answers: [{{fault: {fault}}}]}}"
    (files.out.parent / "answers.yaml").write_text(f"rules:\n- {rule}\n- answers: [{rest}]\n")
    return files.run("--script", "answers.yaml", *flags, lines=lines)


def answers(files: Files) -> list[tuple[Any, ...]]:
    """The number of each row, its code and its text."""
    told = [(row["line"], row["error"] and row["error"]["code"], row["outputs"]) for row in files.rows]
    return sorted(told, key=lambda each: each[0])


@pytest.mark.parametrize("concurrency", ["1", "2", "16"])
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("{status: 500}", "ERR_UNAVAILABLE"),
        ("{status: 429, retry_after: 60}", "ERR_RATE_LIMITED"),
        ("{status: 401}", "ERR_AUTH"),
        ("{kind: disconnect}", "ERR_UNREACHABLE"),
    ],
)
def test_a_scripted_failure_is_the_row_of_its_line_at_once(
    files: Files, fault: str, code: str, concurrency: str
) -> None:
    began = time.monotonic()
    ran = scripted(files, fault, "--concurrency", concurrency)
    told = ran.document
    assert (ran.status, told["ok"], told["failed"], told["left"]) == (1, 60, {code: 20}, 0), ran.err
    assert (told["retried"], told["error"]) == (0, None)
    assert time.monotonic() - began < 10


def test_answers_that_come_in_turn_are_those_of_the_same_lines_whatever_the_concurrency(files: Files) -> None:
    rest = "{fault: {status: 503, probability: 0.3}, text: first}, {text: second}, {fault: {status: 429}}"
    seen = []
    for concurrency in ("1", "3", "16", "16"):
        files.out.unlink(missing_ok=True)
        scripted(files, "{status: 500}", "--concurrency", concurrency, rest=rest)
        seen.append(answers(files))
    assert len(seen[0]) == 80
    assert seen == [seen[0]] * 4


@contextmanager
def instance(cli: Cli, *flags: str) -> Iterator[None]:
    assert cli("local", "start", "--ref", REF, "--runtime", "process", *flags).status == 0
    try:
        yield
    finally:
        cli("local", "stop", "--all")


def test_a_failure_in_the_script_of_an_instance_is_the_row_of_its_line(files: Files, cli: Cli) -> None:
    (files.out.parent / "answers.yaml").write_text("rules:\n- answers: [{fault: {status: 503}}]\n")
    with instance(cli, "--script", "answers.yaml"):
        told = files.run(lines=LINES[:12]).document
    assert (told["failed"], told["left"], told["retried"]) == ({"ERR_UNAVAILABLE": 12}, 0, 0)
