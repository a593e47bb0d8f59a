"""Submissions to a vendor that were cut off in the middle: nothing is submitted twice."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from tests.batch.rows import BATCH, Files, write_lines
from tests.batch.submitted import ANTHROPIC, OPENAI, batch, cut_off, lines, record_in, vendor
from tests.batch.vendors_batches import BatchVendor
from tests.conftest import REF, THEORYCTL, Cli
from tests.real.conftest import CANARY, LITELLM_WARNINGS
from theoryctl.batch.vendors.record import read_record

__all__ = ["vendor"]

pytestmark = LITELLM_WARNINGS


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A vendor lists a batch at once."""
    monkeypatch.setattr("theoryctl.batch.vendors.standing._SETTLING", 0.0)


def test_kill_9_between_submission_and_record_submits_nothing_twice(
    files: Files, vendor: BatchVendor, environment: Mapping[str, str]
) -> None:
    write_lines(files.lines, lines("a", "b"))
    reached, gone = threading.Event(), threading.Event()

    def wait(_: Any) -> None:
        reached.set()
        gone.wait(60)

    vendor.made = wait
    command = [str(THEORYCTL), *BATCH, "lines.jsonl", "--out", "rows.jsonl", "--mode", "real", "--vendor-batch"]
    with subprocess.Popen(command, cwd=files.lines.parent, env={**environment, **vendor.env}) as process:
        assert reached.wait(100)
        process.kill()
    gone.set()
    ran = batch(files, vendor)
    assert (ran.status, len(vendor.submitted), ran.document["left"]) == (0, 1, 2)
    vendor.end()
    assert batch(files, vendor).document["ok"] == 2


def test_a_batch_whose_id_was_not_heard_is_found_at_openai(files: Files, vendor: BatchVendor) -> None:
    vendor.made = cut_off
    assert batch(files, vendor, lines=lines("a", "b")).document["error"]["code"] == "ERR_UNREACHABLE"
    ran = batch(files, vendor)
    assert (ran.status, len(vendor.submitted), ran.document["batches"][0]["id"]) == (0, 1, vendor.submitted[0].id)


def test_a_batch_whose_id_was_not_heard_is_found_at_anthropic_by_its_answers(files: Files, vendor: BatchVendor) -> None:
    vendor.made = cut_off
    batch(files, vendor, lines=lines("a", "b", model=ANTHROPIC))
    ran = batch(files, vendor)
    assert (ran.status, len(vendor.submitted), ran.document["left"]) == (1, 1, 2)
    assert "shows when it has ended" in ran.document["error"]["message"]
    vendor.end()
    assert batch(files, vendor).document["ok"] == 2


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
def test_a_batch_that_never_arrived_is_submitted(files: Files, vendor: BatchVendor, model: str) -> None:
    vendor.refuses = lambda asked: (503, {}) if asked.path.endswith("/batches") else None
    assert batch(files, vendor, lines=lines("a", model=model)).status == 1
    vendor.refuses = lambda asked: None
    assert batch(files, vendor).document["batches"][0]["id"] == vendor.submitted[0].id


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("key", ["another", CANARY])
def test_another_account_does_not_say_that_a_batch_never_arrived(
    files: Files, vendor: BatchVendor, cli: Cli, key: str
) -> None:
    vendor.made = cut_off
    batch(files, vendor, lines=lines("a"))
    with BatchVendor(key) as other:
        told = cli("batch", "collect", "--json", env=other.env).document["batches"][0]["error"]
        assert (told["code"], f"{vendor.url}/v1" in told["message"]) == ("ERR_USAGE", True)
        assert (batch(files, other).status, other.submitted) == (2, [])
    assert batch(files, vendor).document["batches"][0]["id"] == vendor.submitted[0].id


def test_a_list_that_lags_is_read_twice_however_long_the_upload_took(
    files: Files, vendor: BatchVendor, environment: Mapping[str, str], settled: None
) -> None:
    vendor.made = cut_off
    batch(files, vendor, lines=lines("a"))
    record = read_record(record_in(environment))
    record.submissions[0].at -= 60
    record.save()
    lagging = iter([(200, {"object": "list", "data": [], "has_more": False})])
    vendor.refuses = lambda asked: next(lagging, None) if asked.path.startswith("/v1/batches?") else None
    ran = batch(files, vendor)
    assert (ran.document["batches"][0]["id"], len(vendor.submitted)) == (vendor.submitted[0].id, 1)


def test_status_leaves_the_record_to_who_submits(
    files: Files, vendor: BatchVendor, environment: Mapping[str, str], cli: Cli
) -> None:
    vendor.made = cut_off
    batch(files, vendor, lines=lines("a"))
    before = record_in(environment).read_bytes()
    [told] = cli("batch", "status", "--json", env=vendor.env).document["batches"]
    assert told["id"] == vendor.submitted[0].id
    assert record_in(environment).read_bytes() == before


def test_a_refused_submission_leaves_no_trace(files: Files, vendor: BatchVendor) -> None:
    vendor.refuses = lambda asked: (400, {"error": {"message": "no"}}) if asked.path.endswith("/batches") else None
    ran = batch(files, vendor, lines=lines("a"))
    assert (ran.status, ran.document["error"]["code"], ran.document["batches"]) == (3, "ERR_INPUTS", [])
    vendor.refuses = lambda asked: None
    assert batch(files, vendor).status == 0


def test_a_record_that_cannot_be_read_submits_nothing(
    files: Files, vendor: BatchVendor, environment: Mapping[str, str]
) -> None:
    batch(files, vendor, lines=lines("a"))
    record_in(environment).write_text("{")
    ran = batch(files, vendor)
    assert (ran.status, ran.document["error"]["code"], len(vendor.submitted)) == (1, "ERR_OUTPUT", 1)


def test_a_started_instance_submits_nothing(files: Files, vendor: BatchVendor, cli: Cli) -> None:
    assert cli("local", "start", "--ref", REF, "--runtime", "process").status == 0
    try:
        ran = batch(files, vendor, lines=lines("a"))
    finally:
        cli("local", "stop", "--all")
    assert (ran.status, vendor.asked) == (2, [])
    assert "--runtime embedded" in ran.document["error"]["hint"]


def test_a_large_batch_is_split(files: Files, vendor: BatchVendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theoryctl_providers.litellm.batches.openai.OpenAIBatches.most_requests", 2)
    batch(files, vendor, lines=lines("a", "b", "c", "d", "e"))
    assert [len(each.requests) for each in vendor.submitted] == [2, 2, 1]
    vendor.end()
    assert batch(files, vendor).document["ok"] == 5
