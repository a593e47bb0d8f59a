"""Vendors whose batches are told of in another form than they should, and records that were damaged."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.batch.rows import Files
from tests.batch.submitted import ANTHROPIC, OPENAI, batch, cut_off, lines, vendor
from tests.batch.vendors_batches import Asked, BatchVendor
from tests.conftest import Cli
from tests.real.conftest import LITELLM_WARNINGS

__all__ = ["vendor"]

pytestmark = LITELLM_WARNINGS


def answering(vendor: BatchVendor, path: str, document: Any) -> None:
    """Have the vendor answer the requests to a path with a document."""
    vendor.refuses = lambda asked: (200, document) if re.search(path, asked.path) else None


def changing(vendor: BatchVendor, changed: Mapping[str, Any]) -> None:
    """Have the vendor tell of each batch with these values."""

    def changed_batch(asked: Asked) -> tuple[int, Any] | None:
        if asked.method != "GET" or not re.search(r"/batches/\w+$", asked.path):
            return None
        told = vendor._anthropic(asked) if "/messages/" in asked.path else vendor._openai(asked)
        return told[0], {**told[1], **changed}

    vendor.refuses = changed_batch


@pytest.mark.parametrize(
    ("model", "changed"),
    [
        (OPENAI, {"request_counts": "x"}),
        (OPENAI, {"request_counts": {"total": "many"}}),
        (OPENAI, {"created_at": 1e300}),
        (OPENAI, {"created_at": "2026-01-01"}),
        (OPENAI, {"output_file_id": 5}),
        (OPENAI, {"status": "failed", "errors": "x"}),
        (OPENAI, {"status": "failed", "errors": {"data": {"a": 1}}}),
        (OPENAI, {"status": "failed", "errors": {"data": ["x"]}}),
        (ANTHROPIC, {"request_counts": [1]}),
    ],
)
def test_a_batch_in_another_form_is_told_as_a_bad_response_beside_the_others(
    files: Files, vendor: BatchVendor, cli: Cli, model: str, changed: Mapping[str, Any]
) -> None:
    other = ANTHROPIC if model == OPENAI else OPENAI
    batch(files, vendor, lines=[*lines("a", model=model), *lines("b", model=other)])
    changing(vendor, changed)
    ran = cli("batch", "status", "--json", env=vendor.env)
    codes = {each["vendor"]: each["error"] and each["error"]["code"] for each in ran.document["batches"]}
    assert (ran.status, codes[model.partition("/")[0]]) == (0, "ERR_BAD_RESPONSE"), ran.err
    assert len(codes) == 2
    assert batch(files, vendor).document["error"]["code"] == "ERR_BAD_RESPONSE"


@pytest.mark.parametrize(
    ("model", "odd", "code"),
    [
        (OPENAI, {"error": "boom", "response": None}, "ERR_UNAVAILABLE"),
        (OPENAI, {"response": "x"}, "ERR_BAD_RESPONSE"),
        (OPENAI, {"response": {"status_code": "abc", "body": {}}}, "ERR_BAD_RESPONSE"),
        (OPENAI, {"response": {"status_code": 7, "body": {}}}, "ERR_BAD_RESPONSE"),
        (ANTHROPIC, {"result": "x"}, "ERR_BAD_RESPONSE"),
        (ANTHROPIC, {"result": {"type": "errored", "error": "x"}}, "ERR_UNAVAILABLE"),
    ],
)
def test_an_answer_in_another_form_is_the_failure_of_its_line_alone(
    files: Files, vendor: BatchVendor, model: str, odd: Mapping[str, Any], code: str
) -> None:
    batch(files, vendor, lines=lines("a", "b", model=model))
    vendor.end()
    [name] = [each for each in vendor.files if vendor.files[each] and not each.startswith("file-")]
    first, second = vendor.files[name].splitlines()
    vendor.files[name] = json.dumps({**json.loads(first), **odd}).encode() + b"\n" + second
    ran = batch(files, vendor)
    assert (ran.document["ok"], ran.document["failed"]) == (1, {code: 1}), ran.err


def test_a_request_id_that_is_no_ascii_spoils_no_answer(files: Files, vendor: BatchVendor) -> None:
    batch(files, vendor, lines=lines("a"))
    vendor.end()
    name = vendor.submitted[0].files["output_file_id"]
    line = json.loads(vendor.files[name])
    line["response"]["request_id"] = "req_é\ud800"
    vendor.files[name] = json.dumps(line).encode()
    assert batch(files, vendor).document["ok"] == 1


@pytest.mark.parametrize(
    ("model", "page"),
    [
        (OPENAI, {"data": [{"metadata": "x"}]}),
        (OPENAI, {"data": [1]}),
        (OPENAI, {"data": "abc"}),
        (OPENAI, {"data": [{"created_at": None, "id": "b"}], "has_more": True}),
        (ANTHROPIC, {"data": [1]}),
    ],
)
def test_a_list_of_batches_in_another_form_submits_nothing_twice(
    files: Files, vendor: BatchVendor, model: str, page: Any
) -> None:
    vendor.refuses = lambda asked: (500, {}) if asked.method == "POST" and asked.path.endswith("batches") else None
    batch(files, vendor, lines=lines("a", model=model))
    answering(vendor, r"/batches\?", page)
    ran = batch(files, vendor)
    assert (ran.document["error"]["code"], len(vendor.submitted)) == ("ERR_BAD_RESPONSE", 0)


def damage(environment: Mapping[str, str], change: Callable[[Any], None] | None) -> Path:
    """Change the first record, or cut it short."""
    file = min(Path(environment["HOME"]).rglob("*.vendor"), key=lambda each: each.stat().st_mtime_ns)
    document = json.loads(file.read_bytes())
    if change is None:
        file.write_bytes(file.read_bytes()[:300])
    else:
        change(document)
        file.write_text(json.dumps(document))
    return file


@pytest.mark.parametrize(
    "change",
    [
        None,
        lambda record: record.update(options={}),
        lambda record: record["submissions"][0].update(custom_ids=None),
        lambda record: record["submissions"][0].update(model=None),
        lambda record: record["submissions"][0].update(id=7),
        lambda record: record["submissions"][0].update(address=7),
    ],
    ids=["cut short", "no options", "no custom ids", "no model", "a number for an id", "a number for an address"],
)
def test_a_damaged_record_is_told_by_its_path_and_the_others_go_on(
    files: Files, vendor: BatchVendor, cli: Cli, environment: Mapping[str, str], change: Any
) -> None:
    batch(files, vendor, lines=lines("a"))
    file = damage(environment, change)
    good = Files(files.out.parent / "good", cli)
    good.out.parent.mkdir()
    batch(files, vendor, "--out", "good/rows.jsonl", lines=lines("b"))
    status = cli("batch", "status", "--json", env=vendor.env)
    assert (status.status, len(status.document["batches"])) == (1, 1)
    assert str(file) in status.document["errors"][0]["message"]
    assert str(file) in cli("batch", "status", env=vendor.env).err
    vendor.end()
    ran = cli("batch", "collect", "--json", env=vendor.env)
    assert (ran.document["error"]["code"], [each["ok"] for each in ran.document["batches"]]) == ("ERR_OUTPUT", [1])


def test_a_batch_that_cannot_be_collected_is_not_told_to_be_none(files: Files, vendor: BatchVendor, cli: Cli) -> None:
    batch(files, vendor, lines=lines("a"))
    files.lines.unlink()
    ran = cli("batch", "collect", env=vendor.env)
    assert ran.status != 0 and "no batch is at a vendor" not in ran.out + ran.err


def test_the_hint_to_submit_again_can_be_pasted(
    files: Files, vendor: BatchVendor, environment: Mapping[str, str], tmp_path: Path
) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path / "a b")}
    files.run("--mode", "real", "--vendor-batch", lines=lines("a"), env={**vendor.env, **state})
    vendor.batches.clear()
    ran = files.run("--mode", "real", "--vendor-batch", env={**vendor.env, **state})
    [file] = (tmp_path / "a b").rglob("*.vendor")
    assert ran.document["error"]["hint"].endswith(f"rm '{file}'")


def results_of(vendor: BatchVendor) -> str:
    """The name of the one file with results."""
    [name] = [each for each in vendor.files if vendor.files[each] and not each.startswith("file-")]
    return name


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
@pytest.mark.parametrize("odd", [b"{}", b'{"custom_id": 5, "result": {}}', b"boom", b"[1]"])
def test_a_result_that_names_no_request_holds_no_other_up_and_loses_no_answer(
    files: Files, vendor: BatchVendor, model: str, odd: bytes
) -> None:
    batch(files, vendor, lines=lines("a", "b", "c", model=model))
    vendor.end()
    name = results_of(vendor)
    whole = vendor.files[name]
    vendor.files[name] = b"\n".join([odd, *whole.splitlines()[1:], b""])
    ran = batch(files, vendor, "--retry-failed")
    error = ran.document["error"]
    assert (ran.document["ok"], ran.document["failed"], ran.document["left"]) == (2, {}, 1), ran.err
    assert (error["code"], error["retryable"]) == ("ERR_BAD_RESPONSE", True)
    assert error["message"].endswith(
        "gave 2 of 3 answers of batch_0, and 1 lines that name no request".replace("batch_0", vendor.submitted[0].id)
    )
    vendor.files[name] = whole
    done = batch(files, vendor)
    assert (done.document["ok"], done.document["batches"], len(vendor.submitted)) == (1, [], 1), done.err


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_errors_in_the_place_of_results_lose_no_answer(
    files: Files, vendor: BatchVendor, model: str, count: int
) -> None:
    batch(files, vendor, lines=lines("a", "b", model=model))
    vendor.end()
    name = results_of(vendor)
    whole, vendor.files[name] = vendor.files[name], b'{"error": {"message": "upstream busy, try later"}}\n' * count
    ran = batch(files, vendor)
    assert (ran.status, ran.document["error"]["code"], ran.document["left"]) == (1, "ERR_BAD_RESPONSE", 2)
    vendor.files[name] = whole
    assert batch(files, vendor).document["ok"] == 2
    assert len(vendor.submitted) == 1


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
def test_results_of_another_batch_lose_no_answer(files: Files, vendor: BatchVendor, model: str) -> None:
    batch(files, vendor, lines=lines("a", "b", model=model))
    vendor.end()
    name = results_of(vendor)
    whole, vendor.files[name] = vendor.files[name], re.sub(rb'"custom_id": "\w', b'"custom_id": "x', vendor.files[name])
    assert batch(files, vendor).document["error"]["code"] == "ERR_BAD_RESPONSE"
    vendor.files[name] = whole
    assert batch(files, vendor).document["ok"] == 2


def test_a_line_without_a_name_beside_all_answers_is_told_and_left_out(files: Files, vendor: BatchVendor) -> None:
    batch(files, vendor, lines=lines("a", "b"))
    vendor.end()
    vendor.files[results_of(vendor)] += b"{}\n"
    ran = batch(files, vendor)
    assert (ran.status, ran.document["ok"], ran.document["batches"]) == (0, 2, []), ran.err
    assert "1 lines in the results of" in ran.err


def test_errors_in_the_place_of_results_submit_a_batch_that_is_looked_for_no_second_time(
    files: Files, vendor: BatchVendor
) -> None:
    vendor.made = cut_off
    batch(files, vendor, lines=lines("a", model=ANTHROPIC))
    vendor.made = lambda _: None
    vendor.end()
    name = results_of(vendor)
    whole, vendor.files[name] = vendor.files[name], b'{"error": {"message": "upstream busy, try later"}}\n'
    ran = batch(files, vendor)
    assert (ran.document["error"]["code"], len(vendor.submitted)) == ("ERR_BAD_RESPONSE", 1)
    vendor.files[name] = whole
    assert (batch(files, vendor).document["ok"], len(vendor.submitted)) == (1, 1)


@pytest.mark.parametrize("page", [b"<html>\n<p>Sign in.\n</html>\n", b'{"custom_id": "', b'{}\n{"custom_id": "'])
def test_results_that_are_a_page_or_cut_short_are_fetched_again(files: Files, vendor: BatchVendor, page: bytes) -> None:
    batch(files, vendor, lines=lines("a", "b"))
    vendor.end()
    name = results_of(vendor)
    whole, vendor.files[name] = vendor.files[name], page
    assert batch(files, vendor).document["error"]["code"] == "ERR_BAD_RESPONSE"
    vendor.files[name] = whole
    assert batch(files, vendor).document["ok"] == 2
