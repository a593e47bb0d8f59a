"""`theoryctl modal logs`: what containers wrote, and what they write."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from modal.types import LogEntry

from tests.conftest import REF, Cli, Ran
from tests.modal.host.running import running
from tests.modal.service import Modal
from theoryctl.modal.logs import joined

Start = Callable[..., Ran]
Acme = Callable[..., str]
Asked = Callable[..., Ran]


def test_every_request_leaves_a_line_without_inputs_or_outputs(start: Start, cli: Cli, asked: Asked) -> None:
    start()
    run_id = asked(REF, "the-question", "--json").document["run_id"]
    logs = ("modal", "logs", "--ref", REF)
    (line,) = [json.loads(line) for line in cli(*logs, "--json").out.splitlines() if "run_id" in line]
    assert (line["run_id"], line["mode"], line["code"]) == (run_id, "mock", None)
    assert "the-question" not in json.dumps(line)
    assert re.search(r"^\w{3} \d\d [\d:]{8}  ok .* ms  openai/gpt-4o-mini", cli(*logs).out, re.MULTILINE)


def test_the_last_lines_and_those_of_late_can_be_had_and_as_json(
    acme: Acme, start: Start, asked: Asked, cli: Cli
) -> None:
    ref = acme("Talks")
    start(ref)
    assert asked(ref, "x").status == 0
    logs = ("modal", "logs", "--ref", ref)
    whole = cli(*logs).out.splitlines()
    assert [line for line in whole if line.startswith("part")][-2:] == ["part 98", "part 99"]
    assert cli(*logs, "--tail", "2").out.splitlines() == whole[-2:]
    assert cli(*logs, "--since", "1h").out.splitlines()[-50:] == whole[-50:]
    assert cli(*logs, "--since", "1h", "--tail", "1").out.splitlines() == whole[-1:]
    time.sleep(1.1)
    assert cli(*logs, "--since", "1s").out == ""
    messages = [json.loads(line) for line in cli(*logs, "--json", "--tail", "3").out.splitlines()]
    assert messages[:2] == [{"message": "part 98"}, {"message": "part 99"}]


def test_pieces_of_lines_of_several_containers_are_put_together_by_container() -> None:
    now = datetime.now(timezone.utc)
    pieces = [("ta-1", "one, "), ("ta-2", "three\nfo"), ("ta-1", "two\nfive"), ("ta-2", "ur\n")]
    entries = [LogEntry(text, now, "stdout", "ap-1", ["fu-1", container]) for container, text in pieces]
    assert [line for _, line in joined(entries)] == ["three", "one, two", "four", "five"]


def test_followed_they_come_while_the_provider_works_and_end_with_the_app(
    acme: Acme, start: Start, cli: Cli, environment: dict[str, str], tmp_path: Path, modal: Modal
) -> None:
    ref = acme("Slow")
    start(ref)
    with (
        running(environment, tmp_path / "work", "run", "--ref", ref, "--prompt", "x") as run,
        running(environment, tmp_path / "work", "logs", "--ref", ref, "--follow") as logs,
    ):
        assert logs.stdout is not None
        lines = [next(logs.stdout).decode() for _ in range(5)]
        assert run.poll() is None
        assert lines == sorted(set(lines), key=lines.index), "a line came twice"
        assert lines[-1].startswith("part ")
        assert cli("modal", "stop", "--ref", ref).status == 0
        assert logs.wait(20) == 0
        assert run.wait(20) == 1
