"""Money that failures have cost counts after other rows have come in their place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.batch.rows import Files, ask
from tests.batch.test_money import INTO, OUT, answers_in, real
from tests.real.conftest import LITELLM_WARNINGS
from tests.real.server import Conversation
from tests.real.vendor import Vendor, first

pytestmark = LITELLM_WARNINGS

#: US dollars of one answer.
ONE = 1000 * OUT + 10 * INTO
LINES = [ask(str(number), max_tokens=1000) for number in range(3)]


def cuts_a_call(talk: Conversation) -> None:
    """A vendor whose call of a tool has broken arguments: 1,000 tokens that were paid for nothing."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"city": "Tur'}}
    choice = {"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": [call]}}
    usage = {"prompt_tokens": 10, "completion_tokens": 1000, "total_tokens": 1010}
    document = {"id": "1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini-2024-07-18"}
    answer = {**document, "choices": [{**choice, "finish_reason": "tool_calls"}], "usage": usage}
    talk.send(200, json.dumps(answer).encode())


def failed(files: Files, lines: Any = LINES, *flags: str, price: float | None = ONE) -> float:
    """Run a batch of failures, and return what its calls have cost. Each row says a `price`, as those of providers do
    that know it."""
    with Vendor(cuts_a_call) as vendor:
        ran = real(files, vendor, *flags, lines=lines)
        assert (ran.document["ok"], list(ran.document["failed"])) == (0, ["ERR_BAD_RESPONSE"]), ran.err
        files.out.write_text(files.out.read_text().replace('"cost_usd":null', f'"cost_usd":{json.dumps(price)}'))
        return len(vendor.requests) * ONE


@pytest.mark.parametrize("form", ["theoryctl", "openai"])
def test_rows_that_replace_failures_tell_what_those_have_cost(files: Files, form: str) -> None:
    form_flags = ("--format", form)
    paid = failed(files, LINES, *form_flags)
    with Vendor(answers_in(1000)) as vendor:
        again = real(files, vendor, *form_flags, "--retry-failed", lines=LINES).document
        after = real(files, vendor, *form_flags, lines=LINES).document
    assert (again["ok"], len(files.rows), after["resumed"]) == (3, 3, 3)
    assert again["usage"]["spent_before_usd"] == pytest.approx(paid)
    assert after["usage"]["spent_before_usd"] == pytest.approx(paid + 3 * ONE)


@pytest.mark.parametrize("form", ["theoryctl", "openai"])
def test_the_price_in_a_script_is_not_money_that_was_spent(files: Files, form: str) -> None:
    rule = "rules:\n- answers: [{chunks: [{text: Hello}], usage: {cost_usd: 5}}]\n"
    (files.lines.parent / "answers.yaml").write_text(rule)
    scripted = ("--mode", "mock", "--script", "answers.yaml", "--format", form)
    assert files.run(*scripted, lines=LINES[:1]).status == 0
    assert "'cost_usd': 5" in str(files.rows)
    assert files.run(*scripted, lines=LINES[:1]).document["usage"]["spent_before_usd"] == 0
    with Vendor(answers_in(1000)) as vendor:
        assert real(files, vendor, "--format", form, "--max-cost", "1", lines=LINES[:1]).status == 0


def test_rows_that_recordings_answer_cost_nothing(files: Files, tmp_path: Path) -> None:
    tape = str(tmp_path)
    with Vendor(answers_in(1000)) as vendor:
        asked = real(files, vendor, "--record-missing", tape, lines=LINES[:1]).document["usage"]["cost_usd"]
        again = real(files, vendor, "--record-missing", tape, "--model", "openai/gpt-4o-mini", lines=LINES[:1])
    replayed = files.run("--replay", tape, lines=LINES[:1]).document["usage"]
    after = files.run("--replay", tape, lines=LINES[:1]).document["usage"]
    assert asked == pytest.approx(ONE)
    assert (again.document["usage"]["cost_usd"], replayed["cost_usd"], len(vendor.requests)) == (0, 0, 1)
    assert after["spent_before_usd"] == pytest.approx(ONE)


def test_a_limit_counts_failures_that_were_asked_again(files: Files) -> None:
    paid = failed(files)
    limited = ("--retry-failed", "--concurrency", "1", "--max-cost", str(paid + 1.5 * ONE))
    with Vendor(answers_in(1000)) as vendor:
        stopped = real(files, vendor, *limited, lines=LINES)
        assert (stopped.status, len(vendor.requests)) == (7, 1)
        assert sorted(row["line"] for row in files.rows) == [1, 2, 3]  # those that were not asked keep their failures
        again = real(files, vendor, *limited, lines=LINES)
    assert (again.status, len(vendor.requests)) == (7, 1)
    assert "lines.jsonl" in again.document["error"]["hint"]


def test_a_batch_that_is_killed_while_it_asks_failures_again_has_one_row_a_line(files: Files) -> None:
    paid = failed(files)
    before = files.out.read_bytes()
    with Vendor(first(2, answers_in(1000), cuts_a_call)) as vendor:
        real(files, vendor, "--retry-failed", "--concurrency", "1", lines=LINES)
        paid += 2 * ONE
        files.out.write_bytes(before + files.out.read_bytes())  # as kill -9 leaves it
        again = real(files, vendor, lines=LINES).document
    assert sorted(row["line"] for row in files.rows) == [1, 2, 3]
    assert (again["usage"]["spent_before_usd"], again["usage"]["unpriced_before"]) == (pytest.approx(paid), 1)
    assert [row["status"] for row in files.rows].count("error") == 1


def test_one_call_for_equal_lines_counts_once_when_its_failure_is_asked_again(files: Files) -> None:
    equal = [LINES[0]] * 3
    paid = failed(files, equal)
    with Vendor(answers_in(1000)) as vendor:
        real(files, vendor, "--retry-failed", "--ordered", lines=equal)
        after = real(files, vendor, lines=equal).document
        assert len(vendor.requests) == 1
    assert (len(files.rows), after["resumed"]) == (3, 3)
    assert after["usage"]["spent_before_usd"] == pytest.approx(paid + ONE)


def test_a_failure_of_unknown_cost_counts_at_most_after_it_was_asked_again(files: Files) -> None:
    failed(files, price=None)
    with Vendor(answers_in(1000)) as vendor:
        again = real(files, vendor, "--retry-failed", "--max-cost", str(5.9 * ONE), lines=LINES)
        assert (again.status, again.document["ok"]) == (7, 2)
        after = real(files, vendor, "--retry-failed", "--max-cost", str(6.9 * ONE), lines=LINES).document
    assert (after["ok"], after["usage"]["unpriced_before"]) == (1, 3)


def named(*ids: str) -> list[dict[str, Any]]:
    """Equal lines."""
    return [{"id": each, "inputs": LINES[0]} for each in ids]


@pytest.mark.parametrize("form", ["theoryctl", "openai"])
@pytest.mark.parametrize("behaviours", [(cuts_a_call, answers_in(1000)), (answers_in(1000), cuts_a_call)])
def test_a_failure_gets_the_answer_of_an_equal_line_and_its_cost_stays(
    files: Files, form: str, behaviours: tuple[Any, Any]
) -> None:
    lines, form_flags = named("a", "b"), ("--format", form)
    with Vendor(first(1, *behaviours)) as vendor:
        real(files, vendor, *form_flags, "--no-dedupe", "--concurrency", "1", lines=lines)
        files.out.write_text(files.out.read_text().replace('"cost_usd":null', f'"cost_usd":{ONE}'))
        again = real(files, vendor, *form_flags, "--retry-failed", lines=lines).document
        after = real(files, vendor, *form_flags, lines=lines).document
        assert len(vendor.requests) == 2
    assert (again["copied"], after["resumed"], after["failed_before"]) == (1, 2, 0)
    assert sorted(row["id" if form == "theoryctl" else "custom_id"] for row in files.rows) == ["a", "b"]
    assert after["usage"]["spent_before_usd"] == pytest.approx(2 * ONE)


def test_a_limit_counts_each_call_of_unknown_cost_for_one_line(files: Files) -> None:
    with Vendor(cuts_a_call) as vendor:
        real(files, vendor, lines=LINES[:1])
        real(files, vendor, "--retry-failed", lines=LINES[:1])
    with Vendor(answers_in(1000)) as vendor:
        ran = real(files, vendor, "--max-cost", str(2.5 * ONE), lines=LINES[:2])
        assert (ran.status, vendor.requests) == (7, [])


@pytest.mark.parametrize("ids", [("a", "b", "c"), (None, None, None)])
def test_equal_lines_that_are_asked_each_keep_their_failures_until_it_is_their_turn(files: Files, ids: Any) -> None:
    lines = named(*ids) if ids[0] else [LINES[0]] * 3
    paid = failed(files, lines, "--no-dedupe")
    with Vendor(answers_in(1000)) as vendor:
        limited = ("--no-dedupe", "--retry-failed", "--concurrency", "1", "--max-cost", str(paid + 1.5 * ONE))
        assert real(files, vendor, *limited, lines=lines).status == 7
        assert sorted(row["status"] for row in files.rows) == ["error", "error", "success"]
        after = real(files, vendor, "--no-dedupe", lines=lines).document
        assert len(vendor.requests) == 1
    assert (after["resumed"], after["failed_before"]) == (3, 2)
    assert after["usage"]["spent_before_usd"] == pytest.approx(paid + ONE)


def test_failures_of_lines_that_are_gone_give_way_to_a_row_that_tells_what_they_have_cost(files: Files) -> None:
    paid = failed(files)
    lines = [*LINES[:2], ask("mended", max_tokens=1000)]
    with Vendor(answers_in(1000)) as vendor:
        real(files, vendor, "--retry-failed", lines=lines)
        after = real(files, vendor, lines=lines).document
    assert (len(files.rows), after["resumed"], after["failed_before"]) == (3, 3, 0)
    assert after["usage"]["spent_before_usd"] == pytest.approx(paid + 3 * ONE)
