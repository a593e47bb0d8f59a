"""`theoryctl modal batch`: the lines of a file, asked in the containers of a deployed app."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
import yaml

from tests.batch.rows import ask, read_rows, write_lines
from tests.conftest import REF, Cli
from tests.modal.host.batches import BATCH, journals, sent
from tests.modal.host.running import Acme, Start, running
from tests.modal.service import Modal
from tests.waiting import until


def test_the_rows_are_those_of_a_batch_on_this_machine(start: Start, cli: Cli, work: Path) -> None:
    start()
    ran = cli("modal", *BATCH, "--ref", REF)
    assert (ran.status, ran.document.get("ok")) == (0, 6), ran.out + ran.err
    assert cli("local", "batch", "lines.jsonl", "--out", "here.jsonl", "--ref", REF).status == 0
    on_modal, here = ({row["line"]: row for row in read_rows(work / name)} for name in ("rows.jsonl", "here.jsonl"))
    assert {line: row["outputs"] for line, row in on_modal.items()} == {n: row["outputs"] for n, row in here.items()}
    assert {row["runtime"] for row in on_modal.values()} == {"modal"}
    assert {n: row["request_digest"] for n, row in on_modal.items()} == {
        n: r["request_digest"] for n, r in here.items()
    }


def test_what_was_in_flight_at_kill_9_is_not_sent_again(
    acme: Acme, start: Start, cli: Cli, modal: Modal, environment: dict[str, str], work: Path
) -> None:
    start(ref := acme("Slow"))
    write_lines(work / "lines.jsonl", [ask("10", seed=number) for number in range(6)])
    with running(environment, work, *BATCH, "--ref", ref, "--concurrency", "3") as process:
        until(lambda: sent(modal) >= 3)
        time.sleep(0.2)  # the IDs are written
        process.send_signal(signal.SIGKILL)
        process.wait()
    ran = cli("modal", *BATCH, "--ref", ref)
    assert (ran.status, len(read_rows(work / "rows.jsonl")), sent(modal)) == (0, 6, 6), ran.out + ran.err
    assert journals(environment) == []


def test_a_line_whose_container_was_lost_runs_again_and_has_one_row(
    acme: Acme, start: Start, cli: Cli, work: Path
) -> None:
    start(ref := acme("Crash"))
    begun = work / "begun"
    write_lines(work / "lines.jsonl", [ask(f"2 1 {begun}")])
    ran = cli("modal", *BATCH, "--ref", ref)
    assert (ran.status, ran.document.get("ok"), ran.document.get("retried")) == (0, 1, 0), ran.out + ran.err
    assert (len(read_rows(work / "rows.jsonl")), begun.read_text()) == (1, "xx")


@pytest.mark.slow(
    "theoryctl/modal/batch_calls.py", "theoryctl/modal/sent_journal.py", "theoryctl/actions/batch_engine.py"
)
def test_four_containers_do_at_least_three_times_the_work_of_one(
    acme: Acme, start: Start, cli: Cli, work: Path
) -> None:
    seconds = [_seconds(acme, start, cli, work, containers) for containers in (1, 4)]
    assert seconds[0] >= 3 * seconds[1], seconds


def _seconds(acme: Acme, start: Start, cli: Cli, work: Path, containers: int) -> float:
    """The time of a batch of 24 lines of half a second, in so many containers that run already."""
    ref = acme("Pause")
    manifest = work / f"manifests/{ref}.yaml"
    found = yaml.safe_load(manifest.read_text())
    found["resources"] = {**found.get("resources", {}), "concurrency": 1, "max_containers": containers}
    manifest.write_text(yaml.safe_dump(found))
    start(ref)
    for name in ("warm", "measured"):
        write_lines(work / "lines.jsonl", [ask(f"{name} {containers} {number}") for number in range(24)])
        ran = cli("modal", "batch", "lines.jsonl", "--out", f"{name}{containers}.jsonl", "--json", "--ref", ref)
        assert (ran.status, ran.document["ok"]) == (0, 24), ran.out + ran.err
    return float(ran.document["seconds"])
