"""Batches in the ledger, and within the budget of the day."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.batch.rows import Files, ask
from tests.conftest import Cli
from tests.ledger.conftest import query, rows
from tests.ledger.rows import row, write
from tests.real.conftest import CANARY, LITELLM_WARNINGS
from tests.real.vendor import Vendor, answers, fails, stalls_at_once
from theoryctl.ledger.group import GroupRecorder
from theoryctl.ledger.recorder import Policy
from theoryctl.ledger.store import day
from theoryctl_providers.contract import ProviderConfig, Request, build_envelope

pytestmark = LITELLM_WARNINGS


@pytest.fixture
def files(cli: Cli, working_folder: Path) -> Files:
    return Files(working_folder, cli)


def test_each_line_is_a_row_with_the_digests_of_a_single_run(files: Files, cli: Cli) -> None:
    env = {"THEORYCTL_LEDGER": "mock,content"}
    assert files.run(lines=[ask(f"number {n}") for n in range(200)], env=env).status == 0
    found = rows(cli, "--limit", "500")
    assert {each["run_id"] for each in found} == {each["run_id"] for each in files.rows}
    assert {each["source"] for each in found} == {"batch"}
    again = cli("runs", "replay", found[0]["run_id"], env=env)
    assert "byte by byte" in again.err
    assert rows(cli)[0]["inputs_digest"] == found[0]["inputs_digest"]


def test_a_batch_of_mocks_leaves_no_ledger_unless_asked(files: Files, state: Path) -> None:
    assert files.run(lines=[ask("x")]).status == 0
    assert not (state / "ledger.db").exists()


def test_a_batch_ends_where_the_budget_of_the_day_does(files: Files, state: Path) -> None:
    write(state, [row(day(), cost=0.99991)])
    with Vendor() as vendor:
        env = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": vendor.addresses["OPENAI_BASE_URL"]}
        env["THEORYCTL_MAX_COST_PER_DAY"] = "1"
        lines = [ask(f"number {n}", max_tokens=100, model="openai/gpt-4o-mini") for n in range(20)]
        ran = files.run("--mode", "real", "--concurrency", "8", lines=lines, env=env)
        asked = len(vendor.requests)
    assert (ran.status, ran.document["error"]["code"]) == (7, "ERR_MAX_COST")
    assert 0 < asked < 20
    ((number, spent),) = query(state, "SELECT count(*), sum(usd) FROM charges")
    assert number == asked and 0.99991 + spent <= 1
    assert query(state, "SELECT count(*) FROM runs WHERE source = 'batch'") == [(asked,)]


def test_the_ledger_and_the_summary_of_a_batch_tell_of_the_same_calls_of_unknown_cost(files: Files, cli: Cli) -> None:
    by = {"good": answers(), "silent": stalls_at_once, "refused": fails(400)}
    with Vendor(lambda talk: by[talk.received.body["messages"][0]["content"]](talk)) as vendor:
        env = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": vendor.addresses["OPENAI_BASE_URL"]}
        lines = [ask(text, model="openai/gpt-4o-mini") for text in by]
        told = files.run("--mode", "real", "--timeout", "1", lines=lines, env=env).document
    total = cli("runs", "cost", "--json").document["total"]
    assert (told["failed"], told["usage"]["unpriced"]) == ({"ERR_INPUTS": 1, "ERR_TIMEOUT": 1}, 1)
    assert (total["runs"], total["failed"], total["unpriced"]) == (3, 2, 1)


def test_rows_of_a_batch_wait_where_another_program_holds_the_ledger_and_are_written_at_its_end(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEORYCTL_STATE_DIR", str(state))
    write(state, [row(day())])
    recorder = GroupRecorder(Policy(mock=True), "batch")
    request = Request(config=ProviderConfig(ref="llm/litellm@1"), inputs={"messages": []})

    def group() -> str | None:
        return recorder.write([(request, build_envelope(error=None, ref="llm/litellm@1", mode="mock"))] * 1)

    with closing(sqlite3.connect(state / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        told = [group(), group()]
    assert all(note and "database is locked" in note for note in told)
    assert recorder.close() is None
    assert query(state, "SELECT count(*) FROM runs WHERE source = 'batch'") == [(2,)]
    assert group() is None
    assert query(state, "SELECT count(*) FROM runs WHERE source = 'batch'") == [(3,)]
