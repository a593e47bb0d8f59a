"""The cost of vendors' batches: prices, limits, the budget of the day."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from tests.batch.rows import Files, ask, write_lines
from tests.batch.submitted import INTO, OPENAI, OUT, WITHOUT_BATCHES, batch, lines, record_in, vendor
from tests.batch.vendors_batches import BatchVendor, hello, prompt_of
from tests.conftest import Cli
from tests.real.conftest import LITELLM_WARNINGS

__all__ = ["vendor"]

pytestmark = LITELLM_WARNINGS


def test_a_limit_on_cost_counts_at_the_price_of_batches(files: Files, vendor: BatchVendor) -> None:
    two = lines("a", "b")
    most = 2 * 10 * OUT + 2 * 150 * INTO
    ran = batch(files, vendor, "--max-cost", str(most / 3), lines=two)
    assert (ran.status, ran.document["error"]["code"], vendor.submitted) == (7, "ERR_MAX_COST", [])
    assert batch(files, vendor, "--max-cost", str(most), lines=two).status == 0
    more = batch(files, vendor, "--max-cost", str(most), lines=lines("a", "b", "c", "d"))
    assert (more.status, len(vendor.submitted)) == (7, 1)


def test_the_budget_of_the_day_counts(files: Files, vendor: BatchVendor) -> None:
    env = {**vendor.env, "THEORYCTL_MAX_COST_PER_DAY": "0.000001"}
    ran = files.run("--mode", "real", "--vendor-batch", lines=lines("a"), env=env)
    assert (ran.status, vendor.submitted) == (7, [])
    assert ran.document["batches"] == []


def test_a_model_without_a_price_has_to_be_allowed_where_cost_is_limited(files: Files, vendor: BatchVendor) -> None:
    unknown = lines("a", model="openai/nobody-knows")
    ran = batch(files, vendor, "--max-cost", "1", lines=unknown)
    assert (ran.status, vendor.submitted) == (2, [])
    assert "--allow-unknown-price" in ran.document["error"]["hint"]
    assert batch(files, vendor, "--max-cost", "1", "--allow-unknown-price").status == 0


def test_what_was_reserved_of_the_day_is_given_back_when_the_rows_are_there(files: Files, vendor: BatchVendor) -> None:
    long = [ask("a", max_tokens=10_000)]
    env = {**vendor.env, "THEORYCTL_MAX_COST_PER_DAY": str(10_500 * OUT)}
    limited = ("--mode", "real", "--vendor-batch")
    assert files.run(*limited, lines=long, env=env).status == 0
    more = [*long, ask("b", max_tokens=10_000)]
    assert files.run(*limited, lines=more, env=env).status == 7
    vendor.end()
    ran = files.run(*limited, env=env)
    assert (ran.status, ran.document["ok"], len(vendor.submitted)) == (0, 1, 2)


def test_an_answer_whose_cost_nobody_knows_counts_with_all_that_was_held(files: Files, vendor: BatchVendor) -> None:
    one, other = (ask(text, model=WITHOUT_BATCHES, max_tokens=4000) for text in ("a", "b"))
    env = {**vendor.env, "THEORYCTL_MAX_COST_PER_DAY": "0.4"}  # 4,000 tokens usually cost $0.24
    limited = ("--mode", "real", "--vendor-batch")
    assert files.run(*limited, lines=[one], env=env).status == 0
    vendor.end()
    ran = files.run(*limited, lines=[one, other], env=env)
    assert (ran.status, ran.document["ok"], files.rows[0]["usage"]["cost_usd"]) == (7, 1, None)
    assert files.run(*limited, env=env).status == 7
    assert len(vendor.submitted) == 1


@pytest.fixture
def dear() -> list[dict[str, Any]]:
    """Two lines whose answers may cost $0.24 each, and whose price in a batch nobody knows."""
    return [ask(text, model=WITHOUT_BATCHES, max_tokens=4000) for text in ("a", "b")]


def test_a_limit_on_cost_counts_the_rows_of_earlier_commands_whose_cost_nobody_knows(
    files: Files, vendor: BatchVendor, dear: list[dict[str, Any]]
) -> None:
    limited = ("--max-cost", "0.4", "--allow-unknown-price")
    assert batch(files, vendor, *limited, lines=dear[:1]).status == 0
    vendor.end()
    assert batch(files, vendor).document["ok"] == 1
    ran = batch(files, vendor, *limited, lines=dear)
    assert (ran.status, len(vendor.submitted), files.rows[0]["usage"]["cost_usd"]) == (7, 1, None)
    assert batch(files, vendor, "--max-cost", "0.6", "--allow-unknown-price").status == 0


def test_a_limit_on_cost_counts_one_call_for_equal_lines_once(
    files: Files, vendor: BatchVendor, dear: list[dict[str, Any]]
) -> None:
    limited = ("--max-cost", "0.6", "--allow-unknown-price")
    assert batch(files, vendor, *limited, lines=[dear[0]] * 5).status == 0
    vendor.end()
    assert batch(files, vendor).document["copied"] == 4
    ran = batch(files, vendor, *limited, lines=[*[dear[0]] * 5, dear[1]])
    assert (ran.status, len(vendor.submitted)) == (0, 2), ran.err


def test_a_collection_says_where_nobody_knows_the_cost(
    files: Files, vendor: BatchVendor, cli: Cli, dear: list[dict[str, Any]]
) -> None:
    batch(files, vendor, lines=dear)
    vendor.end()
    ran = cli("batch", "collect", env=vendor.env)
    assert (ran.status, "unknown" in ran.out, "$" in ran.out) == (0, True, False), ran.out + ran.err


def test_rows_that_a_collection_wrote_before_it_was_stopped_count_in_the_budget_of_the_day(
    files: Files, vendor: BatchVendor, dear: list[dict[str, Any]], environment: Mapping[str, str]
) -> None:
    env = {**vendor.env, "THEORYCTL_MAX_COST_PER_DAY": "0.6"}
    limited = ("--mode", "real", "--vendor-batch")
    assert files.run(*limited, lines=dear, env=env).status == 0
    record = record_in(environment)
    before = record.read_bytes()
    vendor.end()
    assert files.run(*limited, env=env).document["ok"] == 2
    # As it stands where Ctrl-C comes after the first row.
    record.write_bytes(before)
    write_lines(files.out, files.rows[:1])
    assert files.run(*limited, env=env).document["ok"] == 1
    more = [*dear, ask("c", model=WITHOUT_BATCHES, max_tokens=4000)]
    assert files.run(*limited, lines=more, env=env).status == 7


@pytest.mark.parametrize("word", ["expired", "cancelled"])
def test_what_the_vendor_never_came_to_costs_nothing(
    files: Files, vendor: BatchVendor, dear: list[dict[str, Any]], word: str
) -> None:
    limited = ("--max-cost", "0.4", "--allow-unknown-price")
    batch(files, vendor, *limited, lines=dear[:1])
    vendor.end(lambda body: word, word)
    batch(files, vendor)
    assert files.rows[0]["usage"]["cost_usd"] == 0
    assert batch(files, vendor, *limited, "--allow-failures", "1", lines=dear).status == 0


def test_an_estimate_is_at_the_price_of_batches(files: Files, vendor: BatchVendor) -> None:
    files.run(lines=[ask("a", max_tokens=1000)])
    usual = files.run("--estimate").document["cost_usd"]
    batched = files.run("--estimate", "--vendor-batch").document["cost_usd"]
    assert batched["high"] == pytest.approx(usual["high"] / 2)


def test_an_estimate_says_where_nobody_knows_the_price_of_batches(files: Files, vendor: BatchVendor) -> None:
    ran = files.run("--estimate", "--vendor-batch", "-m", WITHOUT_BATCHES, lines=[ask("a", max_tokens=1000)])
    usual = files.run("--estimate", "-m", WITHOUT_BATCHES).document["cost_usd"]
    assert ran.document["assumed"] == {WITHOUT_BATCHES: 1}
    assert ran.document["cost_usd"] == {"low": pytest.approx(usual["low"] / 2), "high": usual["high"]}


@pytest.mark.parametrize("form", ["theoryctl", "openai"])
@pytest.mark.parametrize("collects", [True, False], ids=["by batch collect", "by the same command"])
def test_what_failures_have_cost_counts_after_they_were_submitted_again(
    files: Files, vendor: BatchVendor, cli: Cli, form: str, collects: bool
) -> None:
    flags = ("--format", form)
    batch(files, vendor, *flags, lines=lines("a", "b"))
    vendor.end(lambda body: (500, {"error": {"message": "broke"}}) if prompt_of(body) == "b" else hello(body))
    assert batch(files, vendor, *flags).document["ok"] == 1
    files.out.write_text(files.out.read_text().replace('"cost_usd":null', '"cost_usd":0.5'))
    again = batch(files, vendor, *flags, "--retry-failed").document
    assert (again["left"], again["failed_before"], again["usage"]["spent_before_usd"] > 0.5) == (1, 0, True)
    assert files.out.read_text().count('"asked_again":true') == 1
    vendor.end()
    taken = cli("batch", "collect", "--json", env=vendor.env) if collects else batch(files, vendor, *flags)
    assert taken.status == 0
    assert (len(files.rows), files.out.read_text().count("asked_again")) == (2, 0)
    after = batch(files, vendor, *flags).document
    assert (after["resumed"], after["failed_before"], after["usage"]["spent_before_usd"] > 0.5) == (2, 0, True)


def test_an_answer_that_found_no_room_for_its_row_is_in_the_ledger_once(
    files: Files, vendor: BatchVendor, cli: Cli
) -> None:
    batch(files, vendor, lines=[ask("long" * 100_000, model=OPENAI)])
    vendor.end()
    batch(files, vendor)
    batch(files, vendor, lines=lines("b"))
    vendor.end()
    with full_at(files.out.stat().st_size + 100):
        ran = batch(files, vendor)
    assert (ran.status, ran.document["error"]["code"], len(files.rows)) == (1, "ERR_OUTPUT", 1)
    assert len(cli("runs", "list", "--json").document["runs"]) == 2
    assert batch(files, vendor).document["ok"] == 1
    assert len(cli("runs", "list", "--json").document["runs"]) == 2


@contextmanager
def full_at(size: int) -> Iterator[None]:
    """No file can grow beyond so many bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_command_that_submits_nothing_does_not_tell_that_failures_are_asked_again(
    files: Files, vendor: BatchVendor
) -> None:
    batch(files, vendor, lines=lines("a", "b"))
    vendor.end(lambda body: (500, {"error": {"message": "broke"}}) if prompt_of(body) == "b" else hello(body))
    batch(files, vendor)
    before = files.out.read_bytes()
    retry = ("--mode", "real", "--vendor-batch", "--retry-failed")
    budget = {"THEORYCTL_MAX_COST_PER_DAY": "0.0000001"}
    assert files.run(*retry, "--max-cost", "0", env=vendor.env).status == 7
    assert files.run(*retry, env={**vendor.env, **budget}).status == 7
    assert files.run(*retry, "--estimate", env=vendor.env).status == 0
    assert files.run(*retry, env=vendor.env, lines=[*lines("a", "b"), {"x": 1}]).status == 3
    assert files.out.read_bytes() == before
    assert batch(files, vendor, lines=lines("a", "b")).document["failed_before"] == 1
    assert len(vendor.submitted) == 1


def test_a_failure_that_was_submitted_again_counts_for_the_limit(files: Files, vendor: BatchVendor) -> None:
    batch(files, vendor, lines=lines("a"))
    vendor.end(lambda body: (500, {"error": {"message": "broke"}}))
    batch(files, vendor)
    files.out.write_text(files.out.read_text().replace('"cost_usd":null', '"cost_usd":0.5'))
    ran = batch(files, vendor, "--retry-failed", "--max-cost", "0.5")
    assert (ran.status, ran.document["error"]["code"], len(vendor.submitted)) == (7, "ERR_MAX_COST", 1)
