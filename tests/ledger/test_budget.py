"""The budget of a day: kept before each call, whatever the ledger keeps."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import REF, Cli, Ran
from tests.ledger.conftest import Ask, query
from tests.ledger.rows import row, write
from tests.real.vendor import fails, streams
from theoryctl.errors import MaxCost
from theoryctl.ledger.budget import DailyBudget
from theoryctl.ledger.retention import keep
from theoryctl.ledger.store import changing, day, opened


def most(usd: str, **more: str) -> dict[str, str]:
    return {"THEORYCTL_MAX_COST_PER_DAY": usd, **more}


def refused(ran: Ran) -> bool:
    error = ran.document["error"]
    return (ran.status, error["code"]) == (7, "ERR_MAX_COST")


@pytest.mark.parametrize("ledger", ["off", "content"])
def test_a_run_that_could_pass_the_budget_is_refused_before_anything_is_sent(
    ledger: str, ask: Ask, state: Path
) -> None:
    # 16,384 tokens, the most that gpt-4o-mini writes, for 0.6 millionths of a dollar each.
    whole = ask(env=most("0.009", THEORYCTL_LEDGER=ledger))
    assert refused(whole) and "may cost $0.00983" in whole.document["error"]["message"]
    assert "max_tokens" in whole.document["error"]["hint"]
    short = ask("--option", "max_tokens=100", env=most("0.009", THEORYCTL_LEDGER=ledger))
    assert short.status == 0, short.err
    ((paid,),) = query(state, "SELECT usd FROM charges")
    assert paid == pytest.approx(short.document["usage"]["cost_usd"])
    assert query(state, "SELECT count(*) FROM runs") == [(0 if ledger == "off" else 1,)]


def test_what_other_runs_of_the_day_cost_counts(ask: Ask, state: Path) -> None:
    write(state, [row(day(), cost=0.995)])
    assert refused(ask(env=most("1")))
    assert ask(env=most("1.01")).status == 0


@pytest.mark.parametrize("budget", [{}, {"THEORYCTL_MAX_COST_PER_DAY": "1"}], ids=["no budget", "a budget"])
def test_runs_of_today_that_are_forgotten_still_count(ask: Ask, cli: Cli, state: Path, budget: dict[str, str]) -> None:
    assert ask(env=budget).status == 0
    assert cli("runs", "prune", "--all").out == "forgot 1 run; 0 runs left\n"
    ((spent,),) = query(state, "SELECT sum(usd) FROM charges")
    assert spent > 0
    refused = ask("--option", "max_tokens=1", env={"THEORYCTL_MAX_COST_PER_DAY": str(spent)})
    assert refused.document["error"]["code"] == "ERR_MAX_COST"


def test_runs_of_today_that_are_forgotten_in_a_full_ledger_still_count(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEORYCTL_STATE_DIR", str(state))
    write(state, [row(day(), cost=0.25) for _ in range(20)])
    with opened() as ledger:
        keep(ledger, most=0)
    assert query(state, "SELECT count(*) FROM runs") == [(0,)]
    with pytest.raises(MaxCost, match=r"\$1 of the \$6 "):
        DailyBudget(6.0).reserve(2.0, "run_too_much")


def test_a_refused_key_costs_nothing_and_a_call_that_broke_off_all_that_was_held(ask: Ask, state: Path) -> None:
    for behaviour in (fails(401), fails(500)):
        ask("--option", "max_tokens=1000", by=behaviour, env=most("1"))
    first, second = (usd for (usd,) in query(state, "SELECT usd FROM charges ORDER BY usd"))
    assert (first, second > 0.0005) == (0, True)


def test_a_refusal_by_a_content_policy_may_have_been_billed(ask: Ask, state: Path) -> None:
    unsafe = {"error": {"message": "Rejected.", "type": "invalid_request_error", "code": "content_policy_violation"}}
    ran = ask("--option", "max_tokens=1000", by=fails(400, body=unsafe), env=most("1"))
    assert ran.document["error"]["code"] == "ERR_CONTENT_POLICY"
    ((held,),) = query(state, "SELECT usd FROM charges")
    assert held > 0.0005


def test_an_answer_that_is_refused_in_its_middle_was_begun_and_so_is_paid(ask: Ask, state: Path) -> None:
    limit = b'data: {"error": {"message": "Slow down", "type": "requests", "code": "rate_limit_exceeded"}}\n\n'
    midway = streams(lambda vendor: [*vendor.opening(), vendor.text("Hel"), limit])
    ran = ask("--stream", "--option", "max_tokens=1000", by=midway, env=most("1"))
    assert ran.document["error"]["code"] == "ERR_RATE_LIMITED"
    ((held,),) = query(state, "SELECT usd FROM charges")
    assert held > 0.0005


def test_a_price_that_nobody_knows_is_said_and_a_server_of_ones_own_is_free(ask: Ask) -> None:
    unknown = ask("--model", "openai/gpt-99-unheard-of", env=most("100"))
    assert refused(unknown)
    assert "the price of openai/gpt-99-unheard-of is not known" in unknown.document["error"]["message"]
    near = ask("--model", "openai/gpt4o-mini", env=most("100")).document["error"]
    assert near["message"].endswith("did you mean openai/gpt-4o-mini?")
    assert "--model openai/gpt-4o-mini" in near["hint"]
    searching = ask("--model", "openai/gpt-4o-search-preview", env=most("100"))
    assert refused(searching)
    assert "may search the web at a price that is not known" in searching.document["error"]["message"]
    own = ask("--model", "ollama/llama3", env=most("0", LLM_API_BASE="http://127.0.0.1:9"))
    assert own.document["error"]["code"] != "ERR_MAX_COST"


def test_an_input_of_a_wrong_type_is_told_as_such_where_there_is_a_budget(ask: Ask) -> None:
    ran = ask("--option", "extra_body=[1]", "--option", "max_tokens=9", env=most("100"))
    assert ran.document["error"]["code"] == "ERR_INPUTS"


def test_an_answer_without_a_known_end_is_told_from_a_price_that_nobody_knows(ask: Ask) -> None:
    endless = ("--model", "openai/gpt-5.5-cyber")
    error = ask(*endless, env=most("100")).document["error"]
    assert error["message"].startswith("the longest answer of openai/gpt-5.5-cyber is not known")
    assert error["hint"] == "set max_tokens"
    assert ask(*endless, "-o", "max_tokens=100", env=most("100")).status == 0


def test_mocks_are_free(cli: Cli, state: Path) -> None:
    assert cli("local", "run", "--ref", REF, "--mode", "mock", env=most("0")).status == 0
    assert not state.exists()
    assert cli("local", "run", "--ref", REF, "--mode", "mock", env=most("0", THEORYCTL_LEDGER="mock")).status == 0
    assert query(state, "SELECT count(*) FROM charges") == [(0,)]


def test_a_run_that_held_money_counts_once_and_another_day_not_at_all(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEORYCTL_STATE_DIR", str(state))
    yesterday, budget = day(time.time() - 86400), DailyBudget(1.0)
    write(state, [row(yesterday, cost=5.0), row(day(), run_id="run_held", cost=0.4)])
    with opened() as ledger, changing(ledger):
        ledger.execute("INSERT INTO charges VALUES ('run_of_yesterday', ?, 5.0)", (yesterday,))
    budget.reserve(0.4, "run_held").settle(0.4)
    budget.reserve(0.5, "run_next").settle(None)
    with pytest.raises(MaxCost, match=r"\$0\.1 of the \$1 "):
        budget.reserve(0.2, "run_too_much")


def test_what_a_recording_cost_counts_once(ask: Ask, cli: Cli, state: Path, tmp_path: Path) -> None:
    told = {"THEORYCTL_LEDGER": "mock"}
    paid = ask("--record", str(tmp_path), env=told).document["usage"]["cost_usd"]
    replay = ("local", "run", "--ref", REF, "--prompt", "Say hello.", "--replay", str(tmp_path), "--json")
    assert cli(*replay, env=told).document["usage"]["cost_usd"] == paid > 0
    assert cli("runs", "cost", "--json").document["total"]["cost_usd"] == paid
    # A row of an earlier version, which had the price of the recording.
    write(state, [row(day(), cost=0.5, mode="mock")])
    assert ask("--option", "max_tokens=1", env=most("0.1")).status == 0


def test_a_budget_that_is_no_number_is_refused(ask: Ask) -> None:
    ran = ask(env=most("ten"))
    message = "THEORYCTL_MAX_COST_PER_DAY: expected US dollars, as 2.50, got 'ten'"
    assert (ran.status, ran.document["error"]["message"]) == (2, message)


def test_calls_at_the_same_time_never_hold_more_than_the_budget(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THEORYCTL_STATE_DIR", str(state))
    budget = DailyBudget(1.0)

    def hold(number: int) -> None:
        with suppress(MaxCost):
            budget.reserve(0.3, f"run_{os.getpid()}_{number}").settle(None)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hold, range(16)))
    assert query(state, "SELECT count(*), round(sum(usd), 6) FROM charges") == [(3, 0.9)]


def test_a_run_is_not_sent_where_the_budget_cannot_be_kept(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = ask(env=most("1", THEORYCTL_STATE_DIR=str(tmp_path / "file" / "state")))
    assert (ran.status, ran.document["error"]["code"]) == (1, "ERR_LEDGER")


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("web_search_options={}", "web_search_options"),
        ('extra_body={"plugins": [{"id": "web"}]}', "plugins"),
    ],
)
def test_what_asks_for_a_search_of_unknown_price_is_named(ask: Ask, option: str, named: str) -> None:
    ran = ask("-o", option, "-o", "max_tokens=10", env=most("100"))
    error = ran.document["error"]
    assert refused(ran) and error["message"].startswith(f"{named}: openai/gpt-4o-mini may search the web at a price")
    assert error["hint"] == f"leave {named} out"
