"""Batches that were stopped early: what the hint says, and what became of the calls that got no row."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from tests.batch.rows import Files, ask
from tests.conftest import REF, Cli
from tests.ledger.conftest import MODEL, rows
from tests.real.conftest import CANARY, LITELLM_WARNINGS
from tests.real.vendor import Vendor, answers, stalls_at_once

pytestmark = LITELLM_WARNINGS

LINES = [ask(str(number), max_tokens=10) for number in range(6)]


@contextmanager
def instance(cli: Cli) -> Iterator[None]:
    """A started instance, which has no keys."""
    assert cli("local", "start", "--ref", REF, "--runtime", "process").status == 0
    try:
        yield
    finally:
        cli("local", "stop", "--all")


def test_an_instance_without_a_key_is_started_again_by_the_hint_which_goes_on_with_the_batch(
    files: Files, cli: Cli
) -> None:
    with instance(cli), Vendor(answers("Hello.")) as vendor:
        ran = files.run("--mode", "real", lines=LINES)
        hint = ran.document["error"]["hint"]
        assert (ran.status, ran.document["left"]) == (4, 6)
        assert hint.startswith("set OPENAI_API_KEY, then: theoryctl local stop ")
        env = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": vendor.addresses["OPENAI_BASE_URL"]}
        for command in hint.partition(", then: ")[2].split(" && "):
            assert cli(*shlex.split(command)[1:], env=env).status == 0, command
        assert len(files.rows) == 6


def test_calls_that_got_no_row_stand_in_the_ledger_as_the_batchs_own(files: Files, cli: Cli) -> None:
    with instance(cli):
        assert files.run("--mode", "real", "--concurrency", "2", lines=LINES).status == 4
        found = rows(cli)
    assert not files.out.exists()
    assert {(row["source"], row["runtime"], row["model"]) for row in found} == {("batch", "process", MODEL)}
    assert {row["code"] for row in found} == {"ERR_MISSING_SECRET"} and len(found) >= 3


def test_a_vendor_that_is_too_slow_is_given_more_time_by_the_hint_and_may_have_billed(files: Files, cli: Cli) -> None:
    with Vendor(stalls_at_once) as vendor:
        env = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": vendor.addresses["OPENAI_BASE_URL"]}
        ran = files.run("--mode", "real", "--timeout", "0.3", "--concurrency", "1", lines=LINES, env=env)
    told = ran.document
    assert (told["error"]["code"], told["left"]) == ("ERR_TIMEOUT", 6)
    assert "theoryctl local batch lines.jsonl " in told["error"]["hint"] and "--timeout 0.6" in told["error"]["hint"]
    assert told["usage"]["unpriced"] == cli("runs", "cost", "--json").document["total"]["unpriced"] > 0
