"""Requests that other programs send to started instances: taken into the ledger from the servers' logs."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REF, Cli
from tests.ledger.conftest import MODEL, query, rows
from tests.waiting import until

#: It serves both modes; mocks cost no time for LiteLLM, and are kept by the same rules.
START = ("local", "start", "--ref", REF, "--runtime", "process")
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello."}]}


@pytest.fixture(autouse=True)
def _nothing_is_left(cli: Cli) -> Iterator[None]:
    yield
    cli("local", "stop", "--all")


@pytest.fixture
def instance(cli: Cli, environment: dict[str, str]) -> dict[str, str]:
    """The variables that lead a client to a started instance, where mocks are kept too."""
    environment["THEORYCTL_LEDGER"] = "mock"
    started = cli(*START)
    assert started.status == 0, started.err
    variables: dict[str, str] = cli("local", "env", "--ref", REF, "--json").document["variables"]
    return variables


def complete(instance: dict[str, str]) -> Any:
    """Send a request as a client of OpenAI's does."""
    return send(instance, f"{instance['OPENAI_BASE_URL']}/chat/completions", BODY)


def send(instance: dict[str, str], url: str, body: dict[str, Any]) -> Any:
    headers = {"Authorization": f"Bearer {instance['OPENAI_API_KEY']}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)) as response:
        return json.load(response)


def test_a_clients_request_is_a_row_while_the_instance_runs_and_after_its_stop(
    cli: Cli, instance: dict[str, str]
) -> None:
    usage = complete(instance)["usage"]
    until(lambda: len(rows(cli)) == 1)
    (row,) = rows(cli)
    facts = (row["source"], row["ref"], row["runtime"], row["mode"], row["model"], row["code"])
    assert facts == ("instance", REF, "process", "mock", MODEL, None)
    assert (row["input_tokens"], row["output_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    complete(instance)
    cli("local", "stop", "--all")
    assert len(rows(cli)) == 2


def test_a_row_says_whether_a_client_asked_for_an_answer_for_embeddings_or_for_a_count(
    cli: Cli, instance: dict[str, str]
) -> None:
    complete(instance)
    send(instance, f"{instance['OPENAI_BASE_URL']}/embeddings", {"model": MODEL, "input": "a"})
    send(instance, f"{instance['THEORYCTL_URL']}/v1/messages/count_tokens", BODY)
    until(lambda: len(rows(cli)) == 3)
    assert {row["operation"]: row["cost_usd"] for row in rows(cli)} == {"chat": 0, "embeddings": 0, "count_tokens": 0}
    spans = json.loads(cli("runs", "export", "--otlp").out)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert {span["name"] for span in spans} == {f"{name} {MODEL}" for name in ("chat", "embeddings", "count_tokens")}


def test_a_run_on_an_instance_is_one_row_with_all_that_the_caller_knows(cli: Cli, instance: dict[str, str]) -> None:
    run_id = cli("local", "run", "--ref", REF, "--prompt", "Say hello.", "--json").document["run_id"]
    cli("local", "stop", "--all")
    (row,) = rows(cli)
    assert (row["run_id"], row["source"], bool(row["inputs_digest"])) == (run_id, "run", True)


def test_a_log_that_makes_room_for_a_new_one_is_read_before(cli: Cli, instance: dict[str, str], state: Path) -> None:
    complete(instance)
    (log,) = state.rglob("*.log")
    until(lambda: "run_id" in log.read_text())
    with log.open("a") as file:  # as a provider does that prints a lot
        file.write(f"{'noise' * 200_000}\n" * 11)
    complete(instance)
    until(lambda: (state / "ledger.db").exists() and query(state, "SELECT count(*) FROM sqlite_master") != [(0,)])
    until(lambda: len(query(state, "SELECT run_id FROM runs")) >= 1)


def test_of_odd_lines_in_a_log_runs_with_a_time_are_rows_and_what_no_column_holds_is_null(
    cli: Cli, instance: dict[str, str], state: Path
) -> None:
    values: list[dict[str, Any]] = [
        *({"input_tokens": value} for value in (10**21, 2**62, -1)),
        *({"cost_usd": value} for value in (-1, float("inf"), float("nan"))),
        {"model": "\ud800x"},
        {"code": "\udc00"},
        {"operation": "eat"},
        {"operation": ["chat"]},
    ]
    no_rows: list[dict[str, Any]] = [
        {"run_id": "\ud800x"},
        {"time": 10**400},
        {"duration_ms": float("nan")},
        {"duration_ms": 10**300},
    ]
    line = {"time": 1795706172, "duration_ms": 1, "mode": "mock"}
    (log,) = state.rglob("*.log")
    with log.open("a") as file:  # as a provider that prints can
        file.writelines(f"{json.dumps({**line, 'run_id': f'r{n}', **odd})}\n" for n, odd in enumerate(values + no_rows))
    found = {row["run_id"]: row for row in rows(cli)}
    assert sorted(found) == [f"r{n}" for n in range(len(values))]
    assert all(found[f"r{n}"][name] is None for n, odd in enumerate(values) for name in odd)
    assert [cli("runs", "cost").status, cli("local", "stop", "--all").status] == [0, 0]


def test_the_price_in_a_script_of_an_instance_is_not_money_that_was_spent(
    cli: Cli, instance: dict[str, str], state: Path
) -> None:
    line = {"time": 1795706172, "duration_ms": 1, "cost_usd": 5}
    (log,) = state.rglob("*.log")
    with log.open("a") as file:  # as a script's answer does
        file.writelines(f"{json.dumps({**line, 'run_id': mode, 'mode': mode})}\n" for mode in ("mock", "real"))
    assert {row["mode"]: row["cost_usd"] for row in rows(cli)} == {"mock": 0, "real": 5}
    assert cli("runs", "cost", "--json").document["total"]["cost_usd"] == 5


def test_a_run_of_an_instance_is_charged_once_however_often_it_is_forgotten(
    cli: Cli, instance: dict[str, str], state: Path
) -> None:
    (log,) = state.rglob("*.log")
    line = {"time": time.time(), "duration_ms": 1, "mode": "real", "cost_usd": 0.25}
    with log.open("a") as file:  # as two real runs do
        file.writelines(f"{json.dumps({**line, 'run_id': run_id})}\n" for run_id in ("run_a", "run_b"))
    for _ in range(3):  # the log is read each time
        assert cli("runs", "prune", "--all").status == 0
    assert query(state, "SELECT sum(usd) FROM charges") == [(0.5,)]


def test_what_was_forgotten_does_not_come_back_from_a_log(cli: Cli, instance: dict[str, str]) -> None:
    complete(instance)
    cli("local", "run", "--ref", REF, "--prompt", "Say hello.")
    until(lambda: len(rows(cli)) == 2)
    assert cli("runs", "prune", "--all").out == "forgot 2 runs; 0 runs left\n"
    complete(instance)
    until(lambda: len(rows(cli)) == 1)
    cli("local", "stop", "--all")
    assert len(rows(cli)) == 1


@pytest.mark.parametrize("ledger", [None, "off"])
def test_mocks_of_an_instance_leave_no_ledger_behind(ledger: str | None, cli: Cli, state: Path) -> None:
    env = {"THEORYCTL_LEDGER": ledger} if ledger else {}
    assert cli(*START, env=env).status == 0
    assert cli("local", "run", "--ref", REF, "--prompt", "x", env=env).status == 0
    assert cli("local", "stop", "--all", env=env).status == 0
    assert not (state / "ledger.db").exists()
