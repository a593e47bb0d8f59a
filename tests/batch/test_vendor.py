"""Batches in real mode, against a vendor on this machine that fails, limits and counts."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import pytest

from tests.batch.rows import Files, ask
from tests.conftest import REF, Cli
from tests.real.conftest import CANARY, LITELLM_WARNINGS
from tests.real.server import Behaviour, Conversation
from tests.real.vendor import Vendor, answers, fails, first

pytestmark = LITELLM_WARNINGS


LINES = [ask(str(number), max_tokens=10) for number in range(12)]


def real(files: Files, vendor: Vendor, *flags: str, lines: Any = LINES) -> Any:
    keys = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": vendor.addresses["OPENAI_BASE_URL"]}
    return files.run("--mode", "real", *flags, lines=lines, env=keys)


def asked(vendor: Vendor) -> Counter[str]:
    """The requests that a vendor got, by their prompt."""
    return Counter(each.body["messages"][0]["content"] for each in vendor.requests)


def test_every_line_is_asked_once(files: Files) -> None:
    with Vendor(answers("Hello.")) as vendor:
        ran = real(files, vendor)
    assert (ran.status, ran.document["ok"]) == (0, 12), ran.err
    assert asked(vendor) == Counter(str(number) for number in range(12))
    assert {row["outputs"][0]["text"] for row in files.rows} == {"Hello."}
    assert CANARY not in files.out.read_text() + ran.out + ran.err


def test_as_many_calls_as_wanted_are_under_way_at_the_same_time(files: Files) -> None:
    together = threading.Barrier(4, timeout=20)

    def meets(talk: Conversation) -> None:
        together.wait()
        answers("Hello.")(talk)

    with Vendor(meets) as vendor:
        assert real(files, vendor, "--concurrency", "4").status == 0


def test_a_refusal_for_too_many_calls_is_waited_for_and_no_line_fails(files: Files) -> None:
    with Vendor(first(3, fails(429, retry_after="0.3"), answers("Hello."))) as vendor:
        ran = real(files, vendor, "--concurrency", "3")
    assert (ran.status, ran.document.get("ok"), ran.document.get("retried")) == (0, 12, 3), ran.out + ran.err
    early, late = vendor.requests[2].at, vendor.requests[3].at
    assert late - early >= 0.29


def test_a_failure_that_may_pass_is_asked_again(files: Files) -> None:
    with Vendor(first(2, fails(503), answers("Hello."))) as vendor:
        ran = real(files, vendor)
    assert (ran.status, ran.document["ok"], ran.document["retried"]) == (0, 12, 2)


def test_a_failure_of_one_line_is_that_lines_own(files: Files) -> None:
    def behave(talk: Conversation) -> None:
        bad = talk.received.body["messages"][0]["content"] == "7"
        (fails(400) if bad else answers("Hello."))(talk)

    with Vendor(behave) as vendor:
        ran = real(files, vendor)
        assert (ran.status, ran.document["ok"], ran.document["failed"]) == (1, 11, {"ERR_INPUTS": 1})
        assert real(files, vendor, "--retry-failed", "--allow-failures", "1").status == 0
        assert asked(vendor)["7"] == 2


def test_a_key_that_is_refused_ends_the_batch_and_burns_no_line(files: Files) -> None:
    with Vendor(fails(401)) as vendor:
        ran = real(files, vendor, "--concurrency", "3")
    error = ran.document["error"]
    assert (ran.status, error["code"], ran.document["left"]) == (4, "ERR_AUTH", 12)
    assert "stopped early: openai refused 3 calls in a row" in error["message"]
    assert "OPENAI_API_KEY" in error["hint"]
    assert ", then: theoryctl local batch lines.jsonl " in error["hint"]
    assert len(vendor.requests) <= 6
    assert not files.out.exists()


def test_a_batch_goes_on_when_the_vendor_does(files: Files) -> None:
    with Vendor(first(5, answers("Hello."), fails(401))) as vendor:
        assert real(files, vendor, "--concurrency", "2").document["left"] == 7
    with Vendor(answers("Hello.")) as vendor:
        assert real(files, vendor).document["ok"] == 7
        assert len(vendor.requests) == 7


@pytest.mark.parametrize("flags", [("--rpm", "600"), ("--tpm", "6000")])
def test_limits_per_minute_are_kept(files: Files, flags: tuple[str, ...]) -> None:
    behaviour: Behaviour = answers("Hello.")
    with Vendor(behaviour) as vendor:
        began = time.monotonic()
        ran = real(files, vendor, *flags, lines=[ask(str(number), max_tokens=10) for number in range(40)])
    assert ran.status == 0
    assert time.monotonic() - began > 0.8


def test_rows_keep_the_order_of_the_lines_where_that_is_wanted(files: Files) -> None:
    others = threading.Semaphore(0)

    def first_line_last(talk: Conversation) -> None:
        is_first = talk.received.body["messages"][0]["content"] == "0"
        for _ in range(11 if is_first else 0):
            others.acquire(timeout=20)
        answers("Hello.")(talk)
        others.release()

    with Vendor(first_line_last) as vendor:
        real(files, vendor)
        assert files.rows[-1]["line"] == 1
        files.out.unlink()
        real(files, vendor, "--ordered")
    assert [row["line"] for row in files.rows] == list(range(1, 13))


def test_an_instance_leaves_it_to_the_batch_to_ask_again(files: Files, cli: Cli) -> None:
    with Vendor(first(1, fails(503), answers("Hello."))) as vendor:
        keys = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": vendor.addresses["OPENAI_BASE_URL"]}
        assert cli("local", "start", "--ref", REF, "--runtime", "process", "--mode", "real", env=keys).status == 0
        try:
            ran = files.run("--mode", "real", lines=LINES[:1])
        finally:
            cli("local", "stop", "--all")
    assert (ran.status, ran.document["ok"], ran.document["retried"], len(vendor.requests)) == (0, 1, 1, 2)
