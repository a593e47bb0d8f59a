"""The batches of this machine: `batch status` and `batch collect`."""

from __future__ import annotations

from pathlib import Path

from tests.batch.rows import BATCH, Files, write_lines
from tests.batch.submitted import ANTHROPIC, INTO, OUT, batch, lines, vendor
from tests.batch.vendors_batches import BatchVendor, hello, prompt_of
from tests.conftest import Cli
from tests.real.conftest import LITELLM_WARNINGS

__all__ = ["vendor"]

pytestmark = LITELLM_WARNINGS


def test_status_shows_what_the_vendors_have(files: Files, vendor: BatchVendor, cli: Cli) -> None:
    assert cli("batch", "status", "--json").document["batches"] == []
    batch(files, vendor, lines=[*lines("a", "b"), *lines("c", model=ANTHROPIC)])
    told = cli("batch", "status", "--json", env=vendor.env).document["batches"]
    assert [(each["vendor"], each["state"], each["requests"], each["done"]) for each in told] == [
        ("openai", "validating", 2, 0),
        ("anthropic", "in_progress", 1, 0),
    ]
    assert {each["out"] for each in told} == {str(files.out)}
    unknown = {name: cli("batch", "status", name).err for name in ("lines.jsonl", "nowhere.jsonl")}
    assert "got another" in unknown["lines.jsonl"] and "got one that does not exist" in unknown["nowhere.jsonl"]
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
