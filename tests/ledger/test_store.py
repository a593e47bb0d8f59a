"""The ledger's file: nothing is lost or torn, it stays small, and it stops no run."""

from __future__ import annotations

import ast
import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.bench.ledger import SINGLE
from tests.conftest import REF, ROOT, THEORYCTL, Cli
from tests.ledger.conftest import Ask, query
from tests.ledger.rows import row, write
from tests.real.vendor import says
from tests.waiting import until
from theoryctl.errors import LedgerFailed
from theoryctl.ledger import retention
from theoryctl.ledger.store import day, opened
from theoryctl.paths import file_lock

#: Writes groups of ten rows, and says each group's number once it is written.
WRITER = """
import sys
from tests.ledger.rows import row
from theoryctl.ledger.recorder import record
from theoryctl.ledger.store import day

for group in range(int(sys.argv[2])):
    rows = [row(day(), run_id=f"run_{sys.argv[1]}_{group}_{number}") for number in range(10)]
    assert record(rows) is None
    print(group, flush=True)
"""

#: Writes a row, and ends as a kill does: the row is in the log of changes.
KILLED = """
import os
from theoryctl.ledger.store import opened

with opened() as ledger:
    ledger.execute("INSERT INTO runs (run_id, started_at, source) VALUES ('run_late', '2026-01-01', 'run')")
    os._exit(9)
"""


def writer(name: str, groups: int, state: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "THEORYCTL_STATE_DIR": str(state)}
    command = [sys.executable, "-c", WRITER, name, str(groups)]
    return subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_two_processes_and_a_kill_lose_and_tear_nothing(state: Path) -> None:
    patient, killed = writer("a", 60, state), writer("b", 100_000, state)
    assert patient.stdout is not None and killed.stdout is not None
    with patient, killed:
        said = patient.stdout.read().split()
        killed.send_signal(signal.SIGKILL)
        also_said = killed.stdout.read().split()
    found = {run_id for (run_id,) in query(state, "SELECT run_id FROM runs")}
    acknowledged = {
        f"run_{name}_{group}_{n}" for name, all_ in (("a", said), ("b", also_said)) for group in all_ for n in range(10)
    }
    assert len(said) == 60 and also_said
    assert acknowledged <= found
    assert len(found) % 10 == 0 and len(found - acknowledged) <= 10  # whole groups, at most the one in flight
    assert query(state, "PRAGMA integrity_check") == [("ok",)]


def test_the_first_commands_make_the_ledger_one_after_the_other(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # SQLite refuses one of two that set the mode of the journal at once: about one of 500 first commands.
    monkeypatch.setenv("THEORYCTL_STATE_DIR", str(state))
    with ThreadPoolExecutor(1) as pool:
        with file_lock(state / "ledger.lock"):
            second = pool.submit(lambda: write(state, [row(day())]))
            until(lambda: (state / "ledger.db").exists())
            time.sleep(0.1)
            assert not second.done()
            assert query(state, "PRAGMA user_version") == [(0,)]
        second.result(timeout=10)
    assert query(state, "SELECT count(*) FROM runs") == [(1,)]


def test_to_record_a_run_loads_five_modules_and_not_the_converters_of_sqlite(state: Path) -> None:
    told = "import sys; print([name for name in sys.modules if name.startswith(('sqlite3', 'theoryctl.ledger'))])"
    env = {**os.environ, "THEORYCTL_STATE_DIR": str(state)}
    for _ in range(2):  # the first one makes the tables
        command = [sys.executable, "-c", f"{SINGLE}{told}"]
        said = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = ("place", "recorder", "row", "store")
    expected = sorted(("theoryctl.ledger", *(f"theoryctl.ledger.{name}" for name in names)))
    assert sorted(ast.literal_eval(said.splitlines()[-1])) == expected


def test_a_ledger_that_another_program_holds_fails_no_run(cli: Cli, state: Path) -> None:
    write(state, [row(day())])
    with closing(sqlite3.connect(state / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ran = cli("local", "run", "--ref", REF, "--mode", "mock", env={"THEORYCTL_LEDGER": "mock"})
    assert (ran.status, "not in the ledger" in ran.err, "database is locked" in ran.err) == (0, True, True)
    assert query(state, "SELECT count(*) FROM runs") == [(1,)]


@pytest.mark.parametrize("kibibytes", [8, 24])
def test_a_full_disk_fails_no_run_and_tears_nothing(kibibytes: int, environment: dict[str, str], state: Path) -> None:
    run = f"ulimit -f {kibibytes}; exec {THEORYCTL} local run --ref {REF} --mode mock"
    env = {**environment, "THEORYCTL_LEDGER": "mock,content", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(["bash", "-c", run], env=env, capture_output=True, text=True)
    assert (done.returncode, "not in the ledger" in done.stderr) == (0, True), done.stderr
    assert "Mock answer" in done.stdout
    write(state, [row(day())])
    assert query(state, "SELECT count(*) FROM runs") == [(1,)]
    assert query(state, "PRAGMA integrity_check") == [("ok",)]


def test_all_runs_can_be_forgotten_where_there_is_no_room_for_the_change(
    environment: dict[str, str], state: Path
) -> None:
    today = [row(day(), runtime=runtime, run_id=runtime, cost=0.25) for runtime in ("embedded", "process")]
    write(state, [row(day(time.time() - 86400)) for _ in range(3000)] + today)
    prune = f"ulimit -f 300; exec {THEORYCTL} runs prune"
    env = {**environment, "PYTHONDONTWRITEBYTECODE": "1"}
    for flags, status, said in (("--older-than 1s", 1, ""), ("--all", 0, "forgot 3,002 runs; 0 runs left\n")):
        done = subprocess.run(["bash", "-c", f"{prune} {flags}"], env=env, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (status, said), done.stderr
    assert query(state, "SELECT sum(usd), count(*) FROM charges") == [(0.5, 2)]
    assert query(state, "SELECT run_id FROM forgotten") == [("process",)]
    write(state, [row(day())])
    assert query(state, "SELECT count(*) FROM runs") == [(1,)]
    assert query(state, "PRAGMA integrity_check") == [("ok",)]


def test_a_ledger_is_cut_off_with_its_log_of_changes_and_not_while_another_has_it_open(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEORYCTL_STATE_DIR", str(state))
    monkeypatch.setattr(retention, "PATIENCE", 0.1)
    write(state, [row(day())])
    with closing(sqlite3.connect(state / "ledger.db")) as other:
        assert other.execute("SELECT count(*) FROM runs").fetchall() == [(1,)]
        with pytest.raises(LedgerFailed, match="locked"):
            retention.cut_off()
    subprocess.run([sys.executable, "-c", KILLED], env={**os.environ, "THEORYCTL_STATE_DIR": str(state)}, cwd=ROOT)
    assert (state / "ledger.db-wal").stat().st_size > 0
    assert retention.cut_off() == 2
    assert query(state, "SELECT count(*) FROM runs") == [(0,)]
    assert query(state, "PRAGMA integrity_check") == [("ok",)]


def test_the_log_of_changes_stays_small_however_often_the_ledger_is_opened(state: Path) -> None:
    for _ in range(100):
        write(state, [row(day())])
    log = state / "ledger.db-wal"
    assert not log.exists() or log.stat().st_size < 300_000
    assert query(state, "SELECT count(*) FROM runs") == [(100,)]


def test_a_row_takes_less_than_a_kilobyte(state: Path) -> None:
    write(state, [row(day(), image=f"sha256:{'0' * 64}", ci_run="1234567890") for _ in range(2000)])
    assert sum(file.stat().st_size for file in state.glob("ledger.db*")) < 2000 * 1024


def test_what_is_older_than_the_retention_is_forgotten_by_the_next_run(state: Path) -> None:
    write(state, [row(day())])
    query(state, "SELECT 1")
    with closing(sqlite3.connect(state / "ledger.db")) as other, other:
        other.execute("DELETE FROM notes")  # as on another day
        other.execute("UPDATE runs SET started_at = ?", (day(time.time() - 91 * 86400),))
    write(state, [row(day(), run_id="run_new")])
    assert query(state, "SELECT run_id FROM runs") == [("run_new",)]


def test_the_oldest_runs_make_room_where_the_file_is_too_large(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(state, [row(day(time.time() - (9 - n // 300) * 86400), run_id=f"run_{n:04}") for n in range(3000)])
    monkeypatch.setenv("THEORYCTL_STATE_DIR", str(state))
    before = (state / "ledger.db").stat().st_size
    with opened() as connection:
        retention.keep(connection, most=before // 2)
    assert (state / "ledger.db").stat().st_size < 0.6 * before
    ((first, last, number),) = query(state, "SELECT min(run_id), max(run_id), count(*) FROM runs")
    assert (last, first, number) == ("run_2999", f"run_{3000 - number:04}", number)
    assert 1000 < number < 2000


def test_what_a_vendor_said_and_sqlite_cannot_hold_is_null_and_the_run_is_there(state: Path) -> None:
    write(state, [row(day(), input_tokens=10**21), row(day(), answered="\ud800x"), row(day())])
    found = query(state, "SELECT input_tokens, answered, output_tokens FROM runs ORDER BY rowid")
    assert found == [(None, "x", 20), (10, None, 20), (10, "x", 20)]


def test_counts_that_nobody_made_are_null_and_spoil_no_sum(ask: Ask, cli: Cli, state: Path) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}
    told = {"prompt_tokens": 2**62, "completion_tokens": 7, "total_tokens": 2**62, "cost": 1e300}
    answer = {"id": "1", "object": "chat.completion", "model": "m", "choices": [choice], "usage": told}
    usage = ask(by=says(answer)).document["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["cost_usd"]) == (None, 7, None)
    write(state, [row(day(), input_tokens=2**43 - 1) for _ in range(3000)])
    assert cli("runs", "cost", "--json").document["total"]["input_tokens"] == 3000 * (2**43 - 1)


def test_what_a_provider_of_ones_own_counts_beyond_all_sums_is_null_in_its_row(state: Path) -> None:
    write(state, [row(day(), input_tokens=2**62, output_tokens=7) for _ in range(3)])
    assert query(state, "SELECT sum(input_tokens), sum(output_tokens) FROM runs") == [(None, 21)]


def test_a_newer_ledger_is_left_alone(cli: Cli, state: Path) -> None:
    write(state, [row(day())])
    query(state, "PRAGMA user_version = 99")
    ran = cli("runs", "list", "--json")
    assert (ran.status, ran.document["error"]["code"]) == (1, "ERR_LEDGER")
    assert "newer theoryctl" in ran.document["error"]["message"]


def test_a_ledger_of_the_first_version_is_made_new_and_keeps_its_runs(cli: Cli, state: Path) -> None:
    write(state, [row(day(), run_id="run_old", code="ERR_TIMEOUT", cost=None)])
    query(state, "ALTER TABLE runs DROP COLUMN operation")
    query(state, "DROP TABLE forgotten")
    query(state, "DROP VIEW costs")
    query(state, "CREATE VIEW costs AS SELECT 0 AS unpriced FROM runs")
    query(state, "PRAGMA user_version = 1")
    write(state, [row(day(), run_id="run_new", operation="chat")])
    found = {each["run_id"]: each["operation"] for each in cli("runs", "list", "--json").document["runs"]}
    assert found == {"run_old": None, "run_new": "chat"}
    assert query(state, "SELECT sum(unpriced) FROM costs") == [(1,)]
