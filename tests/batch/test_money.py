"""Money: an estimate before, and a limit that is never passed."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from typing import Any

import pytest

from tests.batch.rows import BATCH, Files, ask, write_lines
from tests.conftest import Cli
from tests.real.conftest import CANARY, LITELLM_WARNINGS
from tests.real.server import Conversation
from tests.real.vendor import Vendor

pytestmark = LITELLM_WARNINGS

#: What gpt-4o-mini costs by LiteLLM's table, in US dollars a token.
INTO, OUT = 1.5e-7, 6e-7


def answers_in(tokens: int, sent: int = 10) -> Any:
    """A vendor that answers with so many tokens."""

    def behave(talk: Conversation) -> None:
        message = {"role": "assistant", "content": "Hello."}
        usage = {"prompt_tokens": sent, "completion_tokens": tokens, "total_tokens": sent + tokens}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        document = {"id": "1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini-2024-07-18"}
        talk.send(200, json.dumps({**document, "choices": [choice], "usage": usage}).encode())

    return behave


#: The usage of a batch that cost nothing.
NOTHING = {
    **dict.fromkeys(("input_tokens", "output_tokens", "unpriced", "unpriced_before"), 0),
    **dict.fromkeys(("cost_usd", "spent_before_usd"), 0.0),
}


def real(files: Files, vendor: Vendor, *flags: str, lines: Any) -> Any:
    keys = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": vendor.addresses["OPENAI_BASE_URL"]}
    return files.run("--mode", "real", *flags, lines=lines, env=keys)


def test_an_estimate_bounds_what_the_lines_cost_and_asks_nobody(files: Files, cli: Cli) -> None:
    lines = [ask(f"Name river {number}.", max_tokens=1000) for number in range(50)]
    write_lines(files.lines, lines)
    ran = cli(*BATCH, "lines.jsonl", "--estimate", "--json")
    assert ran.status == 0, ran.err
    told = ran.document
    assert told["schema"] == "theoryctl.batch_estimate/v1"
    assert told["lines"] == 50
    # By OpenAI's own encoding a line has 4 tokens, and 3 around it.
    assert told["input_tokens"]["low"] <= 50 * 12 <= told["input_tokens"]["high"] <= 50 * 20
    assert told["output_tokens"] == {"low": 50, "high": 50_000}
    assert told["cost_usd"]["high"] == pytest.approx(told["input_tokens"]["high"] * INTO + 50_000 * OUT)
    assert not files.out.exists()


def test_an_estimate_of_a_model_without_its_vendor_is_that_of_the_defaults(files: Files, cli: Cli) -> None:
    write_lines(files.lines, [ask("one")])
    told = (cli(*BATCH, "lines.jsonl", "--estimate", "--json", "-m", name) for name in ("gpt-4.1", "openai/gpt-4.1"))
    short, full = (ran.document["cost_usd"] for ran in told)
    assert short["high"] == pytest.approx(full["high"], rel=1e-4)  # the name's length is counted
    assert short["low"] == full["low"] > 0


def test_an_estimate_tells_of_models_without_a_price(files: Files, cli: Cli) -> None:
    write_lines(files.lines, [ask("one"), ask("two", model="acme/unknown")])
    told = cli(*BATCH, "lines.jsonl", "--estimate", "--json").document
    assert told["unpriced"] == {"acme/unknown": 1}
    assert (told["cost_usd"]["low"] > 0, told["cost_usd"]["high"], told["output_tokens"]["high"]) == (True, None, None)


def test_a_cost_that_nobody_knows_is_unknown_and_a_near_name_is_told(files: Files, cli: Cli) -> None:
    write_lines(files.lines, [ask("one")])
    misspelt = (*BATCH, "lines.jsonl", "--estimate", "-m", "openai/gpt4o-mini")
    ran = cli(*misspelt)
    assert "output  at least 1 tokens\ncost    unknown\n" in ran.out
    assert "1 line for openai/gpt4o-mini: nobody knows the price; did you mean openai/gpt-4o-mini?" in ran.err
    told = cli(*misspelt, "--json").document
    assert (told["cost_usd"], told["output_tokens"]) == ({"low": None, "high": None}, {"low": 1, "high": None})
    assert told["near"] == {"openai/gpt4o-mini": "openai/gpt-4o-mini"}


def test_a_limit_on_cost_tells_the_near_name_of_a_model_without_a_price(files: Files) -> None:
    limited = ("--mode", "real", "--max-cost", "1", "-m", "openai/gpt4o-mini")
    error = files.run(*limited, lines=[ask("one")], env={"OPENAI_API_KEY": CANARY}).document["error"]
    assert error["message"].endswith("openai/gpt4o-mini (1 lines); did you mean openai/gpt-4o-mini?")
    assert "--model openai/gpt-4o-mini" in error["hint"]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("local", "batch", "lines.jsonl", "--estimate"), 0),
        (("local", "batch", "lines.jsonl", "--out", "rows.jsonl", "--mode", "real", "--max-cost", "1"), 1),
        (("local", "run", "Hi", "--mode", "real"), 1),
    ],
    ids=["estimate", "limit", "budget"],
)
def test_without_litellm_its_absence_is_the_reason_why_no_price_is_known(
    files: Files, environment: dict[str, str], arguments: tuple[str, ...], status: int
) -> None:
    write_lines(files.lines, [ask("one")])
    program = (
        "import sys; sys.modules['litellm'] = None\n"
        f"from theoryctl.__main__ import main; sys.exit(main({list(arguments)}))"
    )
    limits = {"OPENAI_API_KEY": CANARY, **({"THEORYCTL_MAX_COST_PER_DAY": "1"} if "run" in arguments else {})}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=files.lines.parent,
        capture_output=True,
        text=True,
        env={**environment, **limits},
    )
    assert done.returncode == status
    assert "prices need LiteLLM, which is not installed here" in done.stderr
    assert f"{sys.executable} -m pip install" in done.stderr
    assert ("cost    unknown" in done.stdout) == ("--estimate" in arguments)


def test_a_batch_ends_before_it_costs_more_than_it_may_and_goes_on_later(files: Files) -> None:
    lines = [ask(str(number), max_tokens=1000) for number in range(64)]
    limit = 20 * 1000 * OUT
    with Vendor(answers_in(1000)) as vendor:
        ran = real(files, vendor, "--max-cost", str(limit), "--concurrency", "64", lines=lines)
        spent = len(vendor.requests) * (1000 * OUT + 10 * INTO)
    assert (ran.status, ran.document["error"]["code"]) == (7, "ERR_MAX_COST")
    assert ran.document["left"] == 64 - len(files.rows)
    assert 0.9 * limit < spent <= limit
    assert ran.document["usage"]["cost_usd"] == pytest.approx(spent)
    typed = shlex.split(ran.document["error"]["hint"])
    enough = float(typed[typed.index("--max-cost") + 1])
    assert 64 * 1000 * OUT < enough < 64 * 1000 * OUT * 1.2  # not for the next line alone
    with Vendor(answers_in(1000)) as vendor:
        again = real(files, vendor, "--max-cost", "1", lines=lines)
    assert (again.status, len(files.rows)) == (0, 64)
    assert again.document["usage"]["spent_before_usd"] == pytest.approx(spent)


def test_the_limit_that_a_hint_names_is_enough_for_lines_of_all_lengths(files: Files) -> None:
    lengths = (1000, 100, 900, 800)
    lines, answers = [ask(str(tokens), max_tokens=tokens) for tokens in lengths], map(answers_in, lengths)
    with Vendor(lambda talk: next(answers)(talk)) as vendor:
        refused = real(files, vendor, "--concurrency", "1", "--max-cost", "0.00065", lines=lines)
        assert (refused.status, len(files.rows)) == (7, 1)
        typed = shlex.split(refused.document["error"]["hint"])
        enough = typed[typed.index("--max-cost") + 1]
        assert float(enough) < 2 * 2800 * OUT
        assert real(files, vendor, "--concurrency", "1", "--max-cost", enough, lines=lines).status == 0


def test_what_earlier_runs_have_cost_counts(files: Files) -> None:
    lines = [ask(str(number), max_tokens=1000) for number in range(4)]
    with Vendor(answers_in(1000)) as vendor:
        assert real(files, vendor, lines=lines[:2]).status == 0
        ran = real(files, vendor, "--max-cost", str(2 * 1000 * OUT), lines=lines)
        assert len(vendor.requests) == 2
    assert ran.status == 7


def without_usage(talk: Conversation) -> None:
    """A vendor that does not say what its answers took."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}
    document = {"id": "1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini-2024-07-18"}
    talk.send(200, json.dumps({**document, "choices": [choice]}).encode())


def test_what_earlier_runs_have_cost_counts_at_most_where_nobody_knows_it(files: Files) -> None:
    lines = [ask(str(number), max_tokens=1000) for number in range(3)]
    with Vendor(without_usage) as vendor:
        assert real(files, vendor, lines=lines[:2]).status == 0
        assert [row["usage"]["cost_usd"] for row in files.rows] == [None, None]
        ran = real(files, vendor, "--max-cost", str(2.9 * 1000 * OUT), lines=lines)
        assert (ran.status, len(vendor.requests)) == (7, 2), ran.err
        assert real(files, vendor, "--max-cost", str(3.9 * 1000 * OUT), lines=lines).status == 0


@pytest.mark.parametrize("form", ["theoryctl", "openai"])
def test_one_call_for_equal_lines_counts_once_when_the_batch_goes_on(files: Files, form: str) -> None:
    equal, more = [ask("one", max_tokens=1000)] * 10, ask("two", max_tokens=1000)
    limited = ("--format", form, "--max-cost", str(2.9 * 1000 * OUT))
    for behave in (without_usage, answers_in(1000)):
        with Vendor(behave) as vendor:
            assert real(files, vendor, *limited, lines=equal).document["copied"] == 9
            ran = real(files, vendor, *limited, lines=[*equal, more])
            assert (ran.status, len(vendor.requests)) == (0, 2), ran.err
        files.out.unlink()


def test_a_summary_has_null_and_not_0_for_what_nobody_knows(files: Files) -> None:
    lines = [ask("one", max_tokens=1000), ask("two", max_tokens=1000)]
    with Vendor(without_usage) as vendor:
        first = real(files, vendor, lines=lines).document["usage"]
        again = real(files, vendor, lines=lines).document["usage"]
    assert first == {**NOTHING, "input_tokens": None, "output_tokens": None, "cost_usd": None, "unpriced": 2}
    assert again == {**NOTHING, "spent_before_usd": None, "unpriced_before": 2}
    with Vendor(answers_in(10)) as vendor:
        known = real(files, vendor, lines=[*lines, ask("three")]).document["usage"]
        after = real(files, vendor, lines=[*lines, ask("three")]).document["usage"]
    assert (known["cost_usd"], known["unpriced"], known["spent_before_usd"]) == (
        pytest.approx(10 * INTO + 10 * OUT),
        0,
        None,
    )
    assert (after["spent_before_usd"], after["unpriced_before"]) == (pytest.approx(known["cost_usd"]), 2)


def test_failures_that_nobody_bills_are_known_to_cost_nothing(files: Files) -> None:
    with Vendor(lambda talk: talk.send(400, b'{"error": {"message": "no"}}')) as vendor:
        ran = real(files, vendor, lines=[ask("one")])
        assert (ran.document["failed"], ran.document["usage"]) == ({"ERR_INPUTS": 1}, NOTHING)
        assert real(files, vendor, lines=[ask("one")]).document["usage"] == NOTHING


def test_a_failure_of_a_mock_is_known_to_cost_nothing(files: Files) -> None:
    (files.out.parent / "answers.yaml").write_text("rules:\n- answers: [{fault: {status: 504}}]\n")
    assert files.run("--script", "answers.yaml", lines=[ask("one")]).document["usage"] == NOTHING
    assert files.run("--script", "answers.yaml").document["usage"] == NOTHING


def test_the_cost_before_is_that_of_calls_and_not_of_rows(files: Files) -> None:
    with Vendor(answers_in(1000)) as vendor:
        spent = real(files, vendor, lines=[ask("one")] * 10).document["usage"]["cost_usd"]
        again = real(files, vendor, lines=[ask("one")] * 10).document["usage"]
    assert again["spent_before_usd"] == pytest.approx(spent)


def test_each_call_counts_where_equal_lines_were_asked_each(files: Files) -> None:
    equal = [ask("one", max_tokens=1000)] * 3
    with Vendor(without_usage) as vendor:
        assert real(files, vendor, "--no-dedupe", lines=equal).document["ok"] == 3
        ran = real(files, vendor, "--max-cost", str(3.9 * 1000 * OUT), lines=[*equal, ask("two", max_tokens=1000)])
        assert (ran.status, len(vendor.requests)) == (7, 3), ran.err


def test_answers_that_are_shorter_than_they_may_be_give_money_back(files: Files) -> None:
    lines = [ask(str(number), max_tokens=1000) for number in range(30)]
    with Vendor(answers_in(10)) as vendor:
        ran = real(files, vendor, "--max-cost", str(3 * 1000 * OUT), lines=lines)
    assert (ran.status, ran.document["ok"]) == (0, 30), ran.err


def test_a_line_that_alone_may_cost_more_is_told_before_anything_is_asked(files: Files) -> None:
    lines = [ask("one", max_tokens=10), ask("two", max_tokens=10_000)]
    with Vendor(answers_in(10)) as vendor:
        ran = real(files, vendor, "--max-cost", "0.001", lines=lines)
        assert vendor.requests == []
    assert ran.status == 7
    assert "line 2 alone may cost $0.006" in ran.document["error"]["message"]


def test_the_limit_that_is_named_where_one_line_has_no_room_is_enough_for_all_and_has_no_exponent(files: Files) -> None:
    lines = [ask(str(tokens), max_tokens=tokens) for tokens in (10, 30, 20)]
    with Vendor(answers_in(1)) as vendor:
        refused = real(files, vendor, "--max-cost", "0.000001", lines=lines).document["error"]
        assert (vendor.requests, "line 2 alone" in refused["message"]) == ([], True)
        typed = shlex.split(refused["hint"])
        enough = typed[typed.index("--max-cost") + 1]
        assert ("e" not in enough, float(enough) < 0.0001) == (True, True)
        assert real(files, vendor, "--max-cost", enough, "--concurrency", "1", lines=lines).status == 0


def test_a_model_without_a_price_has_to_be_allowed(files: Files) -> None:
    lines = [ask("one", model="openai/nobody-knows", max_tokens=10)]
    with Vendor(answers_in(10)) as vendor:
        ran = real(files, vendor, "--max-cost", "1", lines=lines)
        assert (ran.status, vendor.requests) == (2, [])
        assert "openai/nobody-knows (1 lines)" in ran.document["error"]["message"]
        assert "--allow-unknown-price" in ran.document["error"]["hint"]
        assert real(files, vendor, "--max-cost", "1", "--allow-unknown-price", lines=lines).status == 0


def test_a_search_has_no_price_and_has_to_be_allowed(files: Files, cli: Cli) -> None:
    lines = [ask("one", model="openai/gpt-4o-mini", max_tokens=10, extra_body={"web_search_options": {}})]
    write_lines(files.lines, lines)
    told = cli(*BATCH, "lines.jsonl", "--mode", "real", "--estimate", "--json").document
    assert (told["unpriced"], told["cost_usd"]) == ({"openai/gpt-4o-mini": 1}, {"low": None, "high": None})
    with Vendor(answers_in(10)) as vendor:
        ran = real(files, vendor, "--max-cost", "1", lines=lines)
        assert (ran.status, vendor.requests) == (2, [])
        assert "gpt-4o-mini (1 lines); a line that may search the web" in ran.document["error"]["message"]


def test_a_mock_costs_nothing(files: Files) -> None:
    assert files.run("--max-cost", "0", lines=[ask("one")]).status == 0
