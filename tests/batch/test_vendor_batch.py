"""Batches that are left to the vendors' own batch APIs."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.batch.rows import BATCH, Files, ask, write_lines
from tests.batch.vendors_batches import Asked, BatchVendor, hello, prompt_of
from tests.conftest import REF, THEORYCTL, Cli, Ran
from tests.pages import blocks
from tests.real.conftest import CANARY, LITELLM_WARNINGS
from theoryctl.batch.vendors.record import read_record

pytestmark = LITELLM_WARNINGS

OPENAI, ANTHROPIC = "openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"

#: US dollars a token in a batch, by LiteLLM's table: half of the usual prices.
INTO, OUT = 7.5e-8, 3e-7

#: A model that the table has no price of batches for.
WITHOUT_BATCHES = "openai/gpt-4"


def lines(*texts: str, model: str = OPENAI) -> list[dict[str, Any]]:
    return [{"id": text, "inputs": ask(text, model=model, max_tokens=10)} for text in texts]


@pytest.fixture
def vendor() -> Iterator[BatchVendor]:
    with BatchVendor(CANARY) as vendor:
        yield vendor


def batch(files: Files, vendor: BatchVendor, *flags: str, **options: Any) -> Ran:
    return files.run("--mode", "real", "--vendor-batch", *flags, env=vendor.env, **options)


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
    assert batch(files, vendor, *limited, lines=dear).status == 0


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


# -- cut off in the middle ---------------------------------------------------------------------------------------------


def cut_off(_: Any) -> None:
    raise ConnectionResetError


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A vendor lists a batch at once."""
    monkeypatch.setattr("theoryctl.batch.vendors.standing._SETTLING", 0.0)


def record_in(environment: Mapping[str, str]) -> Path:
    [file] = Path(environment["HOME"]).rglob("*.vendor")
    return file


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


# -- the batches of this machine ---------------------------------------------------------------------------------------


def test_status_shows_what_the_vendors_have(files: Files, vendor: BatchVendor, cli: Cli) -> None:
    assert cli("batch", "status", "--json").document["batches"] == []
    batch(files, vendor, lines=[*lines("a", "b"), *lines("c", model=ANTHROPIC)])
    told = cli("batch", "status", "--json", env=vendor.env).document["batches"]
    assert [(each["vendor"], each["state"], each["requests"], each["done"]) for each in told] == [
        ("openai", "validating", 2, 0),
        ("anthropic", "in_progress", 1, 0),
    ]
    assert {each["out"] for each in told} == {str(files.out)}
    shown = cli("batch", "status", env=vendor.env)
    assert vendor.submitted[0].id in shown.out and "0 of 2" in shown.out


def test_a_vendor_that_cannot_be_asked_is_told_with_its_batch(files: Files, vendor: BatchVendor, cli: Cli) -> None:
    batch(files, vendor, lines=lines("a"))
    [told] = cli("batch", "status", "--json").document["batches"]
    assert told["error"]["code"] == "ERR_MISSING_SECRET"


def test_collect_writes_the_rows_from_any_folder_and_submits_nothing(
    files: Files, vendor: BatchVendor, cli: Cli, tmp_path: Path
) -> None:
    batch(files, vendor, "-o", "temperature=0", lines=lines("a", "b"))
    assert cli("batch", "collect", "--json", env=vendor.env, cwd=tmp_path).document["batches"][0]["left"] == 2
    vendor.end()
    write_lines(files.lines, lines("a", "b", "c"))
    ran = cli("batch", "collect", str(files.out), "--json", env=vendor.env, cwd=tmp_path)
    [told] = ran.document["batches"]
    assert (ran.status, told["ok"], told["left"], len(vendor.submitted)) == (0, 2, 1, 1)
    assert {row["id"] for row in files.rows} == {"a", "b"}
    assert cli("batch", "collect").status == 0


def test_answers_of_lines_that_are_gone_stay_until_the_lines_are_back(
    files: Files, vendor: BatchVendor, cli: Cli
) -> None:
    batch(files, vendor, lines=lines("a", "b"))
    vendor.end()
    ran = batch(files, vendor, lines=lines("a"))
    assert "1 answers of" in ran.err and len(files.rows) == 1
    assert batch(files, vendor, lines=lines("a", "b")).document["ok"] == 1
    assert cli("batch", "status", "--json").document["batches"] == []


def test_a_line_that_is_gone_does_not_hold_the_others_of_its_batch(files: Files, vendor: BatchVendor) -> None:
    most = 2 * 10 * OUT + 2 * 150 * INTO
    batch(files, vendor, lines=lines("a", "b"))
    vendor.end(lambda body: (500, {"error": {"message": "too odd"}}) if prompt_of(body) == "a" else hello(body))
    assert batch(files, vendor, lines=lines("a")).document["failed"] == {"ERR_UNAVAILABLE": 1}
    again = batch(files, vendor, "--retry-failed", "--max-cost", str(most))
    assert (again.status, len(vendor.submitted)) == (0, 2)
    vendor.end()
    assert batch(files, vendor, lines=lines("a", "b")).document["ok"] == 2


def test_a_file_that_no_batch_is_for_is_told(files: Files, vendor: BatchVendor, cli: Cli) -> None:
    ran = cli("batch", "status", "other.jsonl", "--json")
    assert (ran.status, ran.document["error"]["hint"]) == (2, "theoryctl batch status")


def test_lines_from_a_pipe_are_collected_by_the_same_command(files: Files, vendor: BatchVendor, cli: Cli) -> None:
    command = (*BATCH, "-", "--out", "rows.jsonl", "--mode", "real", "--vendor-batch", "--json")
    text = write_lines(files.lines, lines("a")).read_text()
    cli(*command, env=vendor.env, stdin=text)
    vendor.end()
    ran = cli("batch", "collect", "--json", env=vendor.env)
    assert (ran.status, "standard input" in ran.document["error"]["message"]) == (2, True)
    assert cli(*command, env=vendor.env, stdin=text).document["ok"] == 1


def test_the_page_tells_how_it_goes(files: Files, vendor: BatchVendor, cli: Cli) -> None:
    write_lines(files.lines, [ask(f"Name river {number}.") for number in (1, 2, 3)])
    submit, collect = blocks("docs/batch.md", "sh real")
    submitted, status = [cli(*shlex.split(line)[1:], env=vendor.env) for line in submit.splitlines()]
    assert "validating" in status.out and "0 of 3" in status.out
    assert (submitted.status, status.status) == (0, 0)
    vendor.end()
    assert "ok       3" in cli(*shlex.split(collect)[1:], env=vendor.env).out


# -- waiting -----------------------------------------------------------------------------------------------------------


def test_collect_waits_until_the_batches_have_ended(files: Files, vendor: BatchVendor, cli: Cli) -> None:
    looks: list[str] = []

    def end_at_the_third_look(asked: Asked) -> None:
        looks.append(asked.path)
        if len(looks) == 3:
            vendor.end()

    batch(files, vendor, lines=lines("a", "b"))
    vendor.refuses = end_at_the_third_look
    ran = cli("batch", "collect", "--wait", "2h", "--json", env=vendor.env)
    assert (ran.status, [each["ok"] for each in ran.document["batches"]]) == (0, [2]), ran.err
    assert "waiting for 1 batch" in ran.err
    assert len(files.rows) == 2


def test_what_ended_in_time_is_collected_and_the_rest_is_a_timeout(files: Files, vendor: BatchVendor, cli: Cli) -> None:
    batch(files, vendor, lines=[*lines("a", "b"), *lines("c", model=ANTHROPIC)])
    vendor.end(only=vendor.submitted[0])
    ran = cli("batch", "collect", "--wait", "1", "--json", env=vendor.env)
    assert (ran.status, ran.document["error"]["code"], len(files.rows)) == (124, "ERR_TIMEOUT", 2), ran.err
    assert "1 batch did not" in ran.document["error"]["message"]


def test_a_vendor_that_cannot_be_reached_for_a_while_is_asked_again(
    files: Files, vendor: BatchVendor, cli: Cli
) -> None:
    batch(files, vendor, lines=lines("a"))
    vendor.end()
    failures = iter([503, 429])
    vendor.refuses = lambda asked: next(((status, {}) for status in failures), None) if asked.method == "GET" else None
    assert cli("batch", "collect", "--wait", "1m", "--json", env=vendor.env).document["batches"][0]["ok"] == 1


def test_a_vendor_that_refuses_the_key_is_not_waited_for(files: Files, vendor: BatchVendor, cli: Cli) -> None:
    batch(files, vendor, lines=lines("a"))
    ran = cli("batch", "collect", "--wait", "1h", "--json", env={**vendor.env, "OPENAI_API_KEY": "another"})
    assert (ran.status, ran.document["error"]["code"]) == (4, "ERR_AUTH")


def test_ctrl_c_ends_the_wait_and_loses_nothing(
    files: Files, vendor: BatchVendor, environment: Mapping[str, str], cli: Cli
) -> None:
    batch(files, vendor, lines=lines("a"))
    command = [str(THEORYCTL), "batch", "collect", "--wait", "1h", "--json"]
    env = {**environment, **vendor.env}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None and process.stdout is not None
        assert b"waiting for 1 batch" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert json.loads(process.stdout.read())["error"]["code"] == "ERR_INTERRUPTED"
    assert process.returncode == 130
    vendor.end()
    assert cli("batch", "collect", "--wait", "1h", "--json", env=vendor.env).document["batches"][0]["ok"] == 1


def test_a_time_that_is_none_is_refused(files: Files, cli: Cli) -> None:
    assert cli("batch", "collect", "--wait", "soon", "--json").status == 2
