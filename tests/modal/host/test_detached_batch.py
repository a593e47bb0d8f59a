"""`theoryctl modal batch --detach` and `collect`: answers that are taken later, or by another machine."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from grpclib import Status

from tests.batch.rows import ask, read_rows, write_lines
from tests.conftest import REF, Cli
from tests.ledger.conftest import rows as ledger_rows
from tests.modal.host.batches import BATCH, answered, collect, journals, sent
from tests.modal.host.conftest import APP, LINES
from tests.modal.host.running import Acme, Start
from tests.modal.service import Modal
from tests.waiting import until


def test_a_detached_batch_is_sent_once_and_its_answers_are_taken_later(
    start: Start, cli: Cli, modal: Modal, work: Path
) -> None:
    start()
    for _ in range(2):
        ran = cli("modal", *BATCH, "--ref", REF, "--detach")
        assert (ran.status, ran.document.get("left")) == (0, 6), ran.out + ran.err
    assert sent(modal) == 6
    ran = cli("modal", *BATCH, "--ref", REF)
    assert (ran.status, ran.document.get("ok"), sent(modal)) == (0, 6, 6), ran.out + ran.err
    assert len(read_rows(work / "rows.jsonl")) == 6


@pytest.mark.parametrize("flag", ["--max-cost", "--rpm", "--tpm"])
def test_limits_that_somebody_has_to_watch_exclude_a_detached_batch(cli: Cli, work: Path, flag: str) -> None:
    ran = cli("modal", *BATCH, "--ref", REF, "--detach", flag, "9")
    assert (ran.status, ran.document["error"]["code"]) == (2, "ERR_USAGE")


def test_another_machine_collects_a_detached_batch_without_its_lines(
    start: Start, cli: Cli, work: Path, modal: Modal, environment: dict[str, str]
) -> None:
    write_lines(work / "lines.jsonl", [{"id": "a", "inputs": LINES[0]}, {"id": "b", "inputs": LINES[0]}, *LINES[1:]])
    environment["THEORYCTL_LEDGER"] = "mock"
    start()
    name = cli("modal", *BATCH, "--ref", REF, "--detach").document["detached"]
    environment["THEORYCTL_STATE_DIR"] = str(work.parent / "another")
    (work / "lines.jsonl").unlink()
    until(lambda: collect(cli, "there.jsonl", name, "--keep").document["left"] == 0)
    rows = read_rows(work / "there.jsonl")
    assert {row["line"]: row["id"] for row in rows} == {1: "a", 2: "b", **dict.fromkeys(range(3, 8))}
    assert [(run["source"], run["inputs_digest"]) for run in ledger_rows(cli)] == [("batch", None)] * 6
    again = collect(cli, "there.jsonl").document
    assert (again["ok"], again["resumed"], again["left"], again["detached"]) == (0, 7, 0, None)
    assert collect(cli, "elsewhere.jsonl").document["error"]["code"] == "ERR_USAGE"  # they are gone from Modal
    assert sent(modal) == 6


def test_collected_runs_have_the_digests_that_runs_of_this_machine_have(
    start: Start, cli: Cli, work: Path, environment: dict[str, str]
) -> None:
    environment["THEORYCTL_LEDGER"] = "mock"
    start()
    cli("modal", *BATCH, "--ref", REF, "--detach")
    until(lambda: collect(cli, "there.jsonl").document["left"] == 0)
    assert cli("local", "batch", "lines.jsonl", "--out", "here.jsonl", "--ref", REF).status == 0
    digests = Counter((run["inputs_digest"], run["outputs_digest"]) for run in ledger_rows(cli))
    assert set(digests.values()) == {2} and len(digests) == 6
    assert all(all(pair) for pair in digests)


def test_answers_that_modal_itself_forgot_are_taken_from_the_volume(
    start: Start, cli: Cli, modal: Modal, work: Path
) -> None:
    start()
    name = cli("modal", *BATCH, "--ref", REF, "--detach").document["detached"]
    until(lambda: collect(cli, "other.jsonl", name, "--keep").document["left"] == 0)
    modal.forget_outputs()
    ran = cli("modal", *BATCH, "--ref", REF)
    assert (ran.status, ran.document["ok"], sent(modal)) == (0, 6, 6), ran.err
    assert collect(cli, "third.jsonl").status == 2


def test_rows_of_a_detached_batch_are_those_of_this_machine_in_openai_s_form_too(
    start: Start, cli: Cli, work: Path
) -> None:
    start()
    cli("modal", *BATCH, "--ref", REF, "--detach")
    until(lambda: collect(cli, "there.jsonl", "--keep", "--ordered").document["left"] == 0)
    until(lambda: collect(cli, "openai.jsonl", "--format", "openai", "--ordered").document["left"] == 0)
    for form, out in (("theoryctl", "there.jsonl"), ("openai", "openai.jsonl")):
        here = ("lines.jsonl", "--out", f"here-{out}", "--ordered", "--format", form, "--ref", REF)
        assert cli("local", "batch", *here).status == 0
        assert [_said(row) for row in read_rows(work / out)] == [_said(row) for row in read_rows(work / f"here-{out}")]


def _said(row: Any) -> Any:
    """The part of a row that does not depend on time and place: the line, and its answer."""
    if "outputs" in row:
        return row["id"], row["line"], row["request_digest"], row["outputs"], row["usage"]
    return row["metadata"], row["response"]["body"]["choices"]


@pytest.mark.slow(
    "theoryctl/modal/answers.py", "theoryctl/modal/theoryctl_shim.py", "theoryctl/actions/modal_collect.py"
)
def test_a_line_whose_container_is_lost_each_time_is_collected_as_a_failure(
    acme: Acme, start: Start, cli: Cli, work: Path
) -> None:
    start(ref := acme("Crash"))
    write_lines(work / "lines.jsonl", [ask(f"2 9 {work / 'begun'}")])
    cli("modal", *BATCH, "--ref", ref, "--detach")
    until(lambda: collect(cli, "there.jsonl", ref=ref).document["left"] == 0)
    (row,) = read_rows(work / "there.jsonl")
    assert (row["line"], row["error"]["code"], row["runtime"]) == (1, "ERR_PROVIDER", "modal")


def test_a_failure_that_is_asked_again_detached_gives_way_to_the_row_that_is_collected(
    start: Start, cli: Cli, work: Path
) -> None:
    start()
    assert cli("modal", *BATCH, "--ref", REF).status == 0
    first, *others = read_rows(work / "rows.jsonl")
    error = {"code": "ERR_BAD_RESPONSE", "message": "broke", "hint": None, "retryable": True}
    failure = {"mode": "real", "status": "error", "error": error, "usage": {**first["usage"], "cost_usd": 0.5}}
    write_lines(work / "rows.jsonl", [{**first, **failure}, *others])
    assert cli("modal", *BATCH, "--ref", REF, "--detach", "--retry-failed").document["left"] == 1
    assert [row["line"] for row in read_rows(work / "rows.jsonl") if "asked_again" in row] == [first["line"]]
    until(lambda: collect(cli, "rows.jsonl", "--keep").document["left"] == 0)
    assert collect(cli, "rows.jsonl", "--keep").document["usage"]["spent_before_usd"] == 0.5
    found = {row["line"]: row for row in read_rows(work / "rows.jsonl")}
    assert {row["status"] for row in found.values()} == {"success"} and len(found) == 6
    assert found[first["line"]]["before"] == [{"run_id": first["run_id"], "line": first["line"], "cost_usd": 0.5}]
    awaited = {**found[first["line"]], "status": "error", "error": error, "asked_again": True}
    before = write_lines(work / "rows.jsonl", [awaited, *others]).read_text()
    assert collect(cli, "rows.jsonl").document["ok"] == 0  # the answer is the one that is there already
    assert (work / "rows.jsonl").read_text() == before


def test_a_detached_batch_that_is_refused_does_not_tell_that_failures_are_asked_again(
    start: Start, cli: Cli, modal: Modal, work: Path
) -> None:
    start()
    cli("modal", *BATCH, "--ref", REF)
    first, *others = read_rows(work / "rows.jsonl")
    error = {"code": "ERR_BAD_RESPONSE", "message": "broke", "hint": None, "retryable": True}
    before = write_lines(work / "rows.jsonl", [{**first, "status": "error", "error": error}, *others]).read_bytes()
    again = ("modal", *BATCH, "--ref", REF, "--detach", "--retry-failed")
    del modal.apps()[APP].tags["theoryctl-answers"]
    assert cli(*again).status == 5
    write_lines(work / "lines.jsonl", [*LINES, {"x": 1}])
    assert (cli(*again).status, cli("modal", *again[1:-2], "--retry-failed", "--estimate").status) == (3, 3)
    assert (work / "rows.jsonl").read_bytes() == before


@pytest.mark.parametrize("form", ["theoryctl", "openai"])
def test_the_row_of_a_failure_that_is_asked_again_stays_when_its_own_batch_is_collected_again(
    start: Start, cli: Cli, modal: Modal, work: Path, form: str
) -> None:
    start()
    (file,) = answered(cli, modal)
    first, *others = [json.loads(line) for line in file.read_bytes().splitlines()]
    broke = {"error": {"code": "ERR_BAD_RESPONSE", "message": "broke", "hint": None}}
    write_lines(file, [{**first, "mode": "real", "answer": broke}, *others])
    old = ("rows.jsonl", file.parent.name, "--keep", "--format", form)
    assert collect(cli, *old).document["failed"] == {"ERR_BAD_RESPONSE": 1}
    ran = cli("modal", *BATCH, "--ref", REF, "--detach", "--retry-failed", "--format", form)
    assert ran.document["left"] == 1
    before = (work / "rows.jsonl").read_bytes()
    assert before.count(b'"asked_again"') == 1
    assert collect(cli, *old).document["failed"] == {}
    assert (work / "rows.jsonl").read_bytes() == before
    new = ("rows.jsonl", ran.document["detached"], *old[2:])
    until(lambda: collect(cli, *new).document["left"] == 0)
    assert collect(cli, *new).document["usage"]["unpriced_before"] == 1
    assert len(read_rows(work / "rows.jsonl")) == 6


def test_a_stop_keeps_answers_that_nobody_has_collected_and_discards_them_when_told(
    start: Start, cli: Cli, work: Path
) -> None:
    start()
    name = cli("modal", *BATCH, "--ref", REF, "--detach").document["detached"]
    until(lambda: collect(cli, "there.jsonl", "--keep").document["left"] == 0)
    stopped = cli("modal", "stop", "--ref", REF)
    assert (stopped.status, f"kept: {name}" in stopped.err) == (0, True), stopped.err
    assert collect(cli, "again.jsonl", "--keep").document["ok"] == 6
    assert cli("modal", "stop", "--ref", REF, "--discard", "--json").document["kept_answers"] == []
    assert collect(cli, "gone.jsonl").document["error"]["code"] == "ERR_USAGE"


def test_the_plan_of_a_prune_names_answers_that_nobody_has_collected(start: Start, cli: Cli, work: Path) -> None:
    gone = {"GIT_BRANCH": "gone"}
    start(env=gone)
    name = cli("modal", *BATCH, "--ref", REF, "--detach", env=gone).document["detached"]
    subprocess.run(["git", "init", "--quiet", work], check=True)
    plan = cli("modal", "prune")
    assert f"answers of {name}, which nobody has collected" in plan.out
    assert cli("modal", "prune", "--json").document["apps"][0]["answers"] == [name]


def test_a_batch_that_was_not_sent_to_its_end_says_so_and_stays(
    start: Start, cli: Cli, modal: Modal, work: Path
) -> None:
    start()
    modal.refuse("VolumePutFiles2", Status.INVALID_ARGUMENT, times=1)
    assert cli("modal", *BATCH, "--ref", REF, "--detach").status == 5
    until(lambda: len(read_rows(work / "there.jsonl")) == 6 if collect(cli, "there.jsonl").status == 0 else False)
    ran = cli("modal", "batch", "collect", "--out", "there.jsonl", "--ref", REF)
    assert "not sent to its end" in ran.err
    assert cli("modal", *BATCH, "--ref", REF, "--detach").status == 0
    assert sent(modal) == 6
    assert collect(cli, "there.jsonl").document["left"] == 0


def test_answers_that_the_volume_does_not_take_are_in_modals_own_store(
    start: Start, cli: Cli, modal: Modal, work: Path
) -> None:
    start()
    modal.refuse("VolumeCommit", Status.FAILED_PRECONDITION, message="there are open files preventing the operation")
    assert cli("modal", *BATCH, "--ref", REF, "--detach").status == 0
    ran = cli("modal", *BATCH, "--ref", REF)
    assert (ran.status, ran.document["ok"], sent(modal)) == (0, 6, 6), ran.err


def test_lines_in_the_volume_that_are_cut_short_or_foreign_or_there_twice_do_no_harm(
    start: Start, cli: Cli, modal: Modal, work: Path
) -> None:
    start()
    name = cli("modal", *BATCH, "--ref", REF, "--detach").document["detached"]
    until(lambda: collect(cli, "there.jsonl", "--keep").document["left"] == 0)
    folder = modal.volumes()[f"{APP}-attachments"] / "answers" / name
    (file,) = folder.glob("*[0-9a-f].jsonl")
    lines = file.read_bytes()
    odd = b'[]\n{"run_id": 1}\nnull\n\xff\n' + lines.splitlines()[0].replace(b'"rows": [[', b'"rows": [["x", ') + b"\n"
    (folder / "other.jsonl").write_bytes(odd + lines + lines[:100])
    ran = collect(cli, "again.jsonl")
    assert (ran.status, ran.document["ok"], ran.document["left"]) == (0, 6, 0), ran.err


def test_an_app_of_an_older_theoryctl_is_sent_no_detached_batch(
    start: Start, cli: Cli, modal: Modal, work: Path
) -> None:
    start()
    del modal.apps()[APP].tags["theoryctl-answers"]
    ran = cli("modal", *BATCH, "--ref", REF, "--detach")
    assert (ran.status, ran.document["error"]["code"], sent(modal)) == (5, "ERR_MODAL", 0)


def test_a_second_answer_to_a_line_is_not_counted_for_one_that_is_missing(
    start: Start, cli: Cli, modal: Modal, work: Path
) -> None:
    start()
    (file,) = answered(cli, modal)
    first, second, *others = file.read_bytes().splitlines(keepends=True)
    twice = json.dumps({**json.loads(first), "run_id": "run_of_a_call_sent_before_a_kill"}).encode() + b"\n"
    file.write_bytes(b"".join([first, twice, *others]))
    for counts in ((5, 0), (0, 5)):
        ran = collect(cli, "there.jsonl")
        assert (ran.document["ok"], ran.document["resumed"], ran.document["left"]) == (*counts, 1), ran.err
        assert "expected one answer" not in ran.err
    other = json.dumps({**json.loads(first), "answer": {"other": True}}).encode() + b"\n"
    file.write_bytes(b"".join([first, other, other, *others]))
    assert (
        "expected one answer to each request, got another one, which differs, to 1;" in collect(cli, "there.jsonl").err
    )
    file.write_bytes(second + twice)
    assert len({row["line"] for row in read_rows(work / "there.jsonl")}) == 5
    assert collect(cli, "there.jsonl").document["ok"] == 1


def test_the_rest_of_a_half_sent_batch_that_was_collected_goes_to_the_same_batch(
    start: Start, cli: Cli, modal: Modal, environment: dict[str, str], work: Path
) -> None:
    start()
    modal.refuse("VolumePutFiles2", Status.INVALID_ARGUMENT, times=1)
    assert cli("modal", *BATCH, "--ref", REF, "--detach").status == 5
    (journal,) = journals(environment)
    without_a_call = [line for line in journal.read_text().splitlines(keepends=True) if line.strip()][:-1]
    journal.write_text("".join(without_a_call))  # as a kill leaves it that comes before the ID is written
    until(lambda: len(read_rows(work / "rows.jsonl")) == 6 if collect(cli, "rows.jsonl").status == 0 else False)
    write_lines(work / "lines.jsonl", [*LINES, ask("6"), ask("7")])
    name = cli("modal", *BATCH, "--ref", REF, "--detach").document["detached"]
    (folder,) = (modal.volumes()[f"{APP}-attachments"] / "answers").iterdir()
    assert (folder.name, json.loads((folder / "sent.json").read_text())) == (name, {"calls": 8})
    until(lambda: collect(cli, "rows.jsonl").document["left"] == 0)
    assert sorted(row["line"] for row in read_rows(work / "rows.jsonl")) == [*range(1, 9)]
    assert journals(environment) == []


def test_of_two_batches_the_hint_names_the_one_whose_answers_have_no_row(
    start: Start, cli: Cli, modal: Modal, work: Path
) -> None:
    start()
    (file,) = answered(cli, modal)
    other = file.parent.with_name("1999-12-31-00000000")
    other.mkdir()
    line = json.loads(file.read_bytes().splitlines()[0])
    (other / "0.jsonl").write_text(f"{json.dumps({**line, 'digest': '0' * 64})}\n")
    assert f"collect {other.name} " in collect(cli, "first.jsonl").document["error"]["hint"]


def test_answers_that_no_container_of_ours_gives_are_failures_or_left_out(
    start: Start, cli: Cli, modal: Modal, environment: dict[str, str], work: Path
) -> None:
    write_lines(work / "lines.jsonl", [*LINES, ask("6")])
    environment["THEORYCTL_LEDGER"] = "mock"
    start()
    (file,) = answered(cli, modal)
    lines = [json.loads(line) for line in file.read_bytes().splitlines()]
    for index, (name, wrong) in enumerate([("duration_ms", -5), ("duration_ms", 1 << 64), ("input_tokens", 1 << 64)]):
        answer = lines[index]["answer"]
        answer["event"] = re.sub(rf'"{name}": *\d+', f'"{name}": {wrong}', answer["event"])
    lines[3]["answer"]["event"] = "event: result\ndata: \ud800\n\n"
    lines[4]["answer"] = {"error": {"code": "ERR_PROVIDER", "message": "\ud800", "hint": None}}
    lines[5]["rows"][0][1] = "\ud800"
    lines[6]["rows"] = [[-1, None]]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    ran = collect(cli, "there.jsonl", "--ordered", "--allow-failures", "100%")
    assert (ran.status, ran.document["failed"], ran.document["left"]) == (
        0,
        {"ERR_BAD_RESPONSE": 4, "ERR_PROVIDER": 1},
        2,
    ), ran.err
