"""Seams of a batch: whoever hears of its results, budgets of others, and the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.batch.rows import ask, read_rows, write_lines
from tests.conftest import REF
from tests.real.conftest import CANARY, LITELLM_WARNINGS
from tests.real.vendor import Vendor, answers, fails, first
from theoryctl.actions.batch import batch
from theoryctl.actions.batch_plan import BatchOptions, Listener
from theoryctl.actions.targets import local_target
from theoryctl.batch.answers import Finished
from theoryctl.errors import MaxCost
from theoryctl.ledger.store import opened
from theoryctl.refs import ProviderRef
from theoryctl.results.batch import BatchResult

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("here")]


def run(listener: Listener, *texts: str, mode: str = "mock", rpm: float | None = None) -> BatchResult:
    write_lines(Path("lines.jsonl"), [ask(text, max_tokens=100) for text in texts])
    ref = ProviderRef.parse(REF)
    options = BatchOptions(
        ref=ref, source="lines.jsonl", out="rows.jsonl", max_attachment=1 << 20, mode=mode, concurrency=2, rpm=rpm
    )
    return batch(options, local_target(ref, "embedded"), listener)


def listener(
    results: list[Finished] | None = None, budgets: tuple[Recorded, ...] = (), groups: list[int] | None = None
) -> Listener:
    def hear(group: Sequence[Finished]) -> None:
        (results if results is not None else []).extend(group)
        (groups if groups is not None else []).append(len(group))

    return Listener(lambda _: None, lambda _: None, lambda _: None, hear, budgets)


def test_results_come_in_groups_once_their_rows_are_written() -> None:
    found: list[Finished] = []
    groups: list[int] = []
    run(listener(found, groups=groups), "one", "two", "three")
    assert [(each.number, each.request.inputs["messages"][0]["content"]) for each in found] == [
        (1, "one"),
        (2, "two"),
        (3, "three"),
    ]
    assert [each.envelope["run_id"] for each in found] == [row["run_id"] for row in read_rows(Path("rows.jsonl"))]
    assert groups == [2, 1]


def test_a_batch_that_waits_for_a_limit_tells_how_long_that_takes() -> None:
    told = set[str | None]()
    run(Listener(lambda _: None, lambda tally: told.add(tally.least[1]), lambda _: None), "one", "two", rpm=120)
    assert "rpm" in told


class Recorded:
    """A budget that notes what is reserved and settled, and has no more than so much."""

    def __init__(self, most: float = 1.0) -> None:
        self.most, self.reserved, self.settled = most, dict[str, float](), dict[str, float | None]()

    def reserve(self, usd: float, run_id: str) -> Held:
        if sum(self.reserved.values()) + usd > self.most:
            raise MaxCost("nothing is left today", hint="wait until tomorrow")
        self.reserved[run_id] = usd
        return Held(self, run_id)


class Held:
    def __init__(self, budget: Recorded, run_id: str) -> None:
        self.budget, self.run_id = budget, run_id

    def settle(self, actual: float | None) -> None:
        self.budget.settled[self.run_id] = actual


def test_a_budget_is_asked_before_each_real_call_and_told_what_it_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = Recorded()
    with Vendor(first(1, fails(429, retry_after="0.01"), answers("Hello."))) as vendor:
        monkeypatch.setenv("OPENAI_BASE_URL", vendor.addresses["OPENAI_BASE_URL"])
        monkeypatch.setenv("OPENAI_API_KEY", CANARY)
        found: list[Finished] = []
        run(listener(found, (budget,)), "one", "two", mode="real")
        assert len(vendor.requests) == len(budget.reserved) == 3
    assert budget.reserved.keys() == budget.settled.keys() >= {each.envelope["run_id"] for each in found}
    assert all(100 * 6e-7 < usd < 1e-3 for usd in budget.reserved.values())
    assert list(budget.settled.values()).count(0.0) == 1
    assert {each.envelope["usage"]["cost_usd"] for each in found} < {*budget.settled.values(), None}


def test_a_budget_that_refuses_ends_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    with Vendor(answers("Hello.")) as vendor:
        monkeypatch.setenv("OPENAI_BASE_URL", vendor.addresses["OPENAI_BASE_URL"])
        monkeypatch.setenv("OPENAI_API_KEY", CANARY)
        result = run(listener(budgets=(Recorded(0.0),)), "one", mode="real")
        assert vendor.requests == []
    assert (result.exit_status, result.left) == (7, 1)
    assert result.error is not None
    assert result.error["message"] == "nothing is left today"


def test_a_mock_asks_no_budget() -> None:
    budget = Recorded(0.0)
    assert run(listener(budgets=(budget,)), "one").ok == 1
    assert budget.reserved == {}


def test_real_lines_are_rows_of_the_ledger_and_kept_within_the_budget_of_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    with Vendor(answers("Hello.")) as vendor:
        monkeypatch.setenv("OPENAI_BASE_URL", vendor.addresses["OPENAI_BASE_URL"])
        monkeypatch.setenv("OPENAI_API_KEY", CANARY)
        assert run(listener(), "one", "two", mode="real").ok == 2
        monkeypatch.setenv("THEORYCTL_MAX_COST_PER_DAY", "0.00001")
        refused = run(listener(), "one", "two", "three", mode="real")
        assert len(vendor.requests) == 2
    assert (refused.exit_status, refused.resumed, refused.left) == (7, 2, 1)
    with opened() as connection:
        rows = connection.execute("SELECT source, mode, cost_usd > 0 FROM runs").fetchall()
    assert [tuple(row) for row in rows] == [("batch", "real", 1)] * 2


def test_mock_lines_are_rows_of_the_ledger_where_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    run(listener(), "one")
    monkeypatch.setenv("THEORYCTL_LEDGER", "mock,content")
    run(listener(), "one", "two", "three")
    with opened() as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone()[0] == 2
        assert connection.execute("SELECT count(*) FROM contents").fetchone()[0] == 2
