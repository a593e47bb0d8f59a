"""Batches with lines that a vendor breaks on each time: they get their rows, and hold up nobody else."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from tests.batch.rows import Files, ask
from tests.real.conftest import CANARY, LITELLM_WARNINGS
from tests.real.server import Behaviour, Conversation
from tests.real.vendor import Vendor, answers, fails

pytestmark = LITELLM_WARNINGS

#: Every fourth of them is bad.
LINES = [ask(f"{number} {'bad' if number % 4 == 3 else 'ok'}", max_tokens=10) for number in range(60)]


def text(talk: Conversation) -> str:
    return str(talk.received.body["messages"][0]["content"])


def breaking(failure: Behaviour, *, seconds: float = 0.0) -> Behaviour:
    """Fail on bad lines, and answer the others after so many seconds."""

    def behave(talk: Conversation) -> None:
        is_bad = "bad" in text(talk)
        time.sleep(0.0 if is_bad else seconds)
        (failure if is_bad else answers("Hello."))(talk)

    return behave


def real(files: Files, vendor: Vendor, *flags: str, lines: Any = LINES) -> Any:
    keys = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": vendor.addresses["OPENAI_BASE_URL"]}
    return files.run("--mode", "real", *flags, lines=lines, env=keys)


@pytest.mark.parametrize("concurrency", ["1", "2", "8"])
def test_lines_that_always_fail_get_their_rows_and_all_others_their_answers(files: Files, concurrency: str) -> None:
    with Vendor(breaking(fails(500))) as vendor:
        began = time.monotonic()
        ran = real(files, vendor, "--concurrency", concurrency)
        seconds = time.monotonic() - began
        asked = Counter(each.body["messages"][0]["content"] for each in vendor.requests)
        told = ran.document
        assert (told["ok"], told["failed"], told["left"]) == (45, {"ERR_UNAVAILABLE": 15}, 0), ran.err
        assert (told["error"], told["retried"]) == (None, 30)
        assert {asked[text] for text in asked if "bad" in text} == {3}
        assert {asked[text] for text in asked if "ok" in text} == {1}
        assert seconds < 30
        before = len(vendor.requests)
        assert real(files, vendor).document["resumed"] == 60
        assert len(vendor.requests) == before
    with Vendor(answers("Hello.")) as vendor:
        assert real(files, vendor, "--retry-failed").document["ok"] == 15
        assert all("bad" in each.body["messages"][0]["content"] for each in vendor.requests)
    assert Counter(row["line"] for row in files.rows) == Counter(range(1, 61))


def test_failures_between_slow_answers_do_not_end_a_batch(files: Files) -> None:
    with Vendor(breaking(fails(500), seconds=3.0)) as vendor:
        ran = real(files, vendor, "--concurrency", "8", lines=LINES[:32])
    assert (ran.document["ok"], ran.document["failed"]) == (24, {"ERR_UNAVAILABLE": 8}), ran.err


def test_a_line_that_is_always_refused_lets_the_others_pass(files: Files) -> None:
    with Vendor(breaking(fails(429, retry_after="0.05"))) as vendor:
        ran = real(files, vendor, "--concurrency", "2", lines=LINES[3:20])
    assert ran.document["ok"] == 12, ran.err
    assert (ran.document["failed"], ran.document["left"]) == ({"ERR_RATE_LIMITED": 5}, 0)


def test_a_vendor_that_never_answers_a_single_line_is_told_by_the_calls_that_were_made(files: Files) -> None:
    with Vendor(fails(503)) as vendor:
        ran = real(files, vendor, lines=LINES[:1])
    assert (ran.status, ran.document["left"], len(vendor.requests)) == (1, 1, 3)
    assert "openai answered none of the last 3 calls" in ran.document["error"]["message"]
    assert not files.out.exists()
