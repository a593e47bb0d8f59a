"""Batches that are left to the vendors' own batch APIs."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import pytest

from tests.batch.rows import Files, ask, write_lines
from tests.batch.submitted import ANTHROPIC, INTO, OPENAI, OUT, batch, lines, vendor
from tests.batch.vendors_batches import BatchVendor, hello, prompt_of
from tests.conftest import Cli
from tests.pages import blocks
from tests.real.conftest import CANARY, LITELLM_WARNINGS

__all__ = ["vendor"]

pytestmark = LITELLM_WARNINGS


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
def test_the_same_command_submits_and_later_takes_the_answers(files: Files, vendor: BatchVendor, model: str) -> None:
    ran = batch(files, vendor, lines=lines("a", "b", model=model))
    assert (ran.status, ran.document["left"]) == (0, 2), ran.err
    [told] = ran.document["batches"]
    [submitted] = vendor.submitted
    assert (told["id"], told["requests"]) == (submitted.id, 2)

    again = batch(files, vendor)
    assert (again.status, again.document["left"], len(vendor.submitted)) == (0, 2, 1)
    assert again.document["batches"][0]["state"] == submitted.word

    vendor.end()
    ended = batch(files, vendor)
    assert (ended.status, ended.document["ok"], ended.document["left"], ended.document["batches"]) == (0, 2, 0, [])
    assert {row["id"]: row["outputs"][0]["text"] for row in files.rows} == {"a": "Hello to a.", "b": "Hello to b."}
    assert {row["request_digest"][7:] for row in files.rows} == set(submitted.requests)
    assert len(vendor.submitted) == 1


def test_rows_cost_what_a_batch_does_and_are_in_the_ledger(files: Files, vendor: BatchVendor, cli: Cli) -> None:
    batch(files, vendor, lines=lines("a"))
    vendor.end()
    batch(files, vendor)
    [row] = files.rows
    assert row["usage"]["cost_usd"] == pytest.approx(10 * INTO + 5 * OUT)
    assert row["meta"]["duration_ms"] == pytest.approx(60_000, abs=1000)  # from submission to the end of the batch
    [run] = cli("runs", "list", "--json").document["runs"]
    assert (run["run_id"], run["source"], run["cost_usd"]) == (row["run_id"], "batch", row["usage"]["cost_usd"])


def test_the_request_is_the_one_that_real_mode_sends(files: Files, vendor: BatchVendor) -> None:
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    inputs = {**ask("a", model=ANTHROPIC, max_tokens=10), "tools": tools, "stop": ["END"]}
    batch(files, vendor, lines=[inputs])
    [body] = vendor.submitted[0].requests.values()
    assert body["model"] == "claude-haiku-4-5"
    assert body["tools"][0]["name"] == "look"
    assert body["stop_sequences"] == ["END"]


def test_a_model_without_its_vendor_goes_to_the_defaults_batches(files: Files, vendor: BatchVendor) -> None:
    ran = batch(files, vendor, lines=lines("a", model="gpt-4o-mini"))
    assert (ran.document["error"], len(vendor.submitted)) == (None, 1)


def test_no_key_is_written_or_said(files: Files, vendor: BatchVendor, environment: Mapping[str, str]) -> None:
    said = [batch(files, vendor, lines=lines("a", "b"))]
    vendor.end(lambda body: (400, {"error": {"message": f"the key {CANARY} is bad"}}))
    said.append(batch(files, vendor))
    vendor.refuses = lambda asked: (500, {"error": {"message": f"the key {CANARY} is bad"}})
    said.append(batch(files, vendor, "--retry-failed"))
    assert [ran.status for ran in said] == [0, 1, 1]
    everything = "".join(ran.out + ran.err for ran in said) + files.out.read_text()
    folder = files.out.parent.parent
    stored = b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
    assert CANARY not in everything and CANARY.encode() not in stored


def test_lines_are_checked_before_anything_is_submitted(files: Files, vendor: BatchVendor) -> None:
    other = ask("b", model="groq/llama-3.1-8b-instant")
    ran = batch(files, vendor, lines=[*lines("a"), other, {"messagess": []}])
    assert (ran.status, vendor.asked) == (3, [])
    assert "line 2: chat of 'groq/llama-3.1-8b-instant': expected a model of openai or anthropic" in ran.err + ran.out
    assert "line 3:" in ran.err + ran.out


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--mode", "mock"), "--mode real"),
        (("--rpm", "5"), "--vendor-batch"),
        (("--out", "-"), "--out rows.jsonl"),
    ],
)
def test_flags_that_lead_nowhere_are_refused_with_the_next_command(
    files: Files, vendor: BatchVendor, flags: tuple[str, ...], told: str
) -> None:
    ran = batch(files, vendor, *flags, lines=lines("a"))
    assert (ran.status, vendor.asked) == (2, [])
    assert told in ran.document["error"]["hint"]


def test_equal_lines_are_submitted_once_and_each_gets_its_row(files: Files, vendor: BatchVendor) -> None:
    same = [{"id": each, "inputs": ask("a", max_tokens=10)} for each in ("one", "two")]
    batch(files, vendor, lines=same)
    assert len(vendor.submitted[0].requests) == 1
    vendor.end()
    assert batch(files, vendor).document["ok"] == 1
    assert [row["id"] for row in files.rows] == ["one", "two"]


def test_equal_lines_can_each_be_asked(files: Files, vendor: BatchVendor) -> None:
    same = [{"id": each, "inputs": ask("a", max_tokens=10)} for each in ("one", "two", "three")]
    batch(files, vendor, "--no-dedupe", lines=same)
    assert len(vendor.submitted[0].requests) == 3
    vendor.end()
    assert batch(files, vendor, "--no-dedupe").document["ok"] == 3


def test_new_lines_are_submitted_and_those_at_the_vendor_are_not_again(files: Files, vendor: BatchVendor) -> None:
    batch(files, vendor, lines=lines("a"))
    batch(files, vendor, lines=lines("b", "a"))
    assert [len(each.requests) for each in vendor.submitted] == [1, 1]
    vendor.end()
    batch(files, vendor)
    assert {row["id"] for row in files.rows} == {"a", "b"}


def test_each_model_of_openais_and_each_vendor_gets_a_batch(files: Files, vendor: BatchVendor) -> None:
    embeddings = {"custom_id": "e", "url": "/v1/embeddings", "body": {"model": "text-embedding-3-small", "input": "x"}}
    mixed = [*lines("a", "b"), *lines("c", model="openai/gpt-4o"), *lines("d", model=ANTHROPIC), embeddings]
    assert batch(files, vendor, lines=mixed).status == 0
    assert sorted(len(each.requests) for each in vendor.submitted) == [1, 1, 1, 2]
    vendor.end()
    assert batch(files, vendor).document["ok"] == 5
    assert [row["outputs"][0]["json"] for row in files.rows if row["id"] == "e"] == [[[0.5, 0.25]]]


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
def test_a_request_that_failed_is_that_lines_own_failure(files: Files, vendor: BatchVendor, model: str) -> None:
    def answers(body: Mapping[str, Any]) -> tuple[int, Any] | str:
        error = {"type": "invalid_request_error", "message": "too odd"}
        return (400, {"type": "error", "error": error}) if prompt_of(body) == "b" else hello(body)

    batch(files, vendor, lines=lines("a", "b", model=model))
    vendor.end(answers)
    ran = batch(files, vendor)
    assert (ran.status, ran.document["ok"], ran.document["failed"]) == (1, 1, {"ERR_INPUTS": 1})
    assert "too odd" in next(row["error"]["message"] for row in files.rows if row["error"])
    assert batch(files, vendor).document["batches"] == []
    assert len(vendor.submitted) == 1
    assert batch(files, vendor, "--retry-failed").document["batches"][0]["requests"] == 1


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
@pytest.mark.parametrize(("word", "code"), [("expired", "ERR_TIMEOUT"), ("cancelled", "ERR_UNAVAILABLE")])
def test_what_the_vendor_never_came_to_is_told_and_can_be_submitted_again(
    files: Files, vendor: BatchVendor, model: str, word: str, code: str
) -> None:
    batch(files, vendor, lines=lines("a", "b", model=model))
    vendor.end(lambda body: word if prompt_of(body) == "b" else hello(body), word)
    ran = batch(files, vendor)
    assert (ran.document["ok"], ran.document["failed"]) == (1, {code: 1})
    assert "--retry-failed" in next(row["error"]["hint"] for row in files.rows if row["error"])
    batch(files, vendor, "--retry-failed")
    assert len(vendor.submitted) == 2


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
def test_answers_that_were_paid_and_are_not_there_yet_are_waited_for(
    files: Files, vendor: BatchVendor, model: str
) -> None:
    batch(files, vendor, lines=lines("a", "b", "c", model=model))
    vendor.end()
    whole = dict(vendor.files)
    for name in vendor.submitted[0].files.values():
        vendor.files[name] = whole[name].split(b"\n")[0]
    cut = batch(files, vendor)
    error = cut.document["error"]
    assert (cut.status, error["code"], error["retryable"]) == (1, "ERR_BAD_RESPONSE", True)
    assert "gave 1 of 3 answers" in error["message"]
    assert (len(files.rows), cut.document["left"], cut.document["batches"][0]["requests"]) == (1, 2, 2)
    vendor.files.update(whole)
    assert batch(files, vendor).document["ok"] == 2
    assert len(vendor.submitted) == 1


def test_a_batch_that_is_refused_as_a_whole_is_told_and_not_submitted_at_once_again(
    files: Files, vendor: BatchVendor
) -> None:
    batch(files, vendor, lines=lines("a"))
    vendor.fail("token_limit_exceeded", "Enqueued token limit reached")
    ran = batch(files, vendor)
    assert (ran.status, ran.document["error"]["code"]) == (1, "ERR_RATE_LIMITED")
    assert "Enqueued token limit reached" in ran.document["error"]["message"]
    assert (len(vendor.submitted), ran.document["left"]) == (1, 1)
    batch(files, vendor)
    assert len(vendor.submitted) == 2


def test_the_page_tells_how_it_goes(files: Files, vendor: BatchVendor, cli: Cli) -> None:
    write_lines(files.lines, [ask(f"Name river {number}.") for number in (1, 2, 3)])
    submit, collect = blocks("docs/batch.md", "sh real")
    submitted, status = [cli(*shlex.split(line)[1:], env=vendor.env) for line in submit.splitlines()]
    assert "validating" in status.out and "0 of 3" in status.out
    assert (submitted.status, status.status) == (0, 0)
    vendor.end()
    assert "ok       3" in cli(*shlex.split(collect)[1:], env=vendor.env).out
