"""Several scripts, the version of the mock, and recordings that are made only where they are missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REF, Cli
from tests.real.vendor import Vendor

RUN = ("local", "run", "--ref", REF)
KEY = "canary.4b1d7c90e2f85a36d1c7"


def write(file: Path, text: str) -> str:
    file.write_text(text)
    return str(file)


# -- scripts ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def two(tmp_path: Path) -> tuple[str, ...]:
    """The flags of two scripts: the first answers the weather, the second everything."""
    first = "rules:\n- when: {user: {contains: weather}}\n  answers: [{text: Sunny.}]\n"
    second = "tools: each\nrules:\n- answers: [{text: Whatever.}]\n"
    names = (write(tmp_path / "first.yaml", first), write(tmp_path / "second.yaml", second))
    return ("--script", names[0], "--script", names[1])


def test_several_scripts_are_tried_in_the_order_in_which_they_are_given(cli: Cli, two: tuple[str, ...]) -> None:
    assert cli(*RUN, "the weather", *two).out == "Sunny.\n"
    assert cli(*RUN, "something", *two).out == "Whatever.\n"


def test_a_rule_that_a_script_before_it_hides_is_told_and_the_run_goes_on(cli: Cli, two: tuple[str, ...]) -> None:
    ran = cli(*RUN, "the weather", two[2], two[3], two[0], two[1])
    assert (ran.status, ran.out) == (0, "Whatever.\n")
    assert "rule 2 never fires: rule 1 above it answers all that it fits" in ran.err


def test_an_instance_has_all_its_scripts_and_a_hint_repeats_them(cli: Cli, two: tuple[str, ...]) -> None:
    assert cli("local", "start", "--ref", REF, "--runtime", "process", *two).status == 0
    try:
        assert cli(*RUN, "the weather").out == "Sunny.\n"
        assert cli(*RUN, "something").out == "Whatever.\n"
        other = cli("local", "start", "--ref", REF, "--runtime", "process", *two[:2], "--json")
        assert (other.status, other.document["error"]["message"].endswith("with another --script")) == (2, True)
        refused = cli(*RUN, "the weather", "--tools", "each", "--json")
        assert refused.document["error"]["hint"].count("--script") == 0
    finally:
        assert cli("local", "stop", "--all").status == 0


def test_a_script_of_what_to_ignore_goes_with_recordings(cli: Cli, tmp_path: Path, vendor: Vendor) -> None:
    folder = str(tmp_path / "recordings")
    assert cli(*REAL, "It is 2026-01-01.", "--record", folder).status == 0
    script = write(tmp_path / "ignore.yaml", "ignore: [dates]\n")
    assert cli(*RUN, "It is 2026-11-26.", "--replay", folder, "--script", script).out == "Hello there!\n"
    missed = cli(*RUN, "It is 2026-11-26.", "--replay", folder, "--json")
    assert missed.document["error"]["code"] == "ERR_REPLAY_MISS"
    assert "--mode real" in (hint := missed.document["error"]["hint"]) and f"--record-missing {folder}" in hint


# -- the version of the mock ------------------------------------------------------------------------------------------

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}


def answer(cli: Cli, *flags: str, **more: Any) -> Any:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    inputs = {"messages": [{"role": "user", "content": "Hi"}], "response_format": wanted}
    return cli(*RUN, "--inputs-json", json.dumps(inputs), "--json", *flags, **more).document["outputs"][0]["json"]


def test_the_answers_of_0_1_are_had_by_a_flag_a_variable_a_project_or_a_script(
    cli: Cli, working_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(answer(cli)) == {"a", "b"}
    assert answer(cli, "--mock-version", "1") == {}
    script = write(working_folder / "s.yaml", "mock_version: 1\n")
    assert answer(cli, "--script", script) == {}
    (working_folder / "theoryctl.toml").write_text("mock_version = 1\n")
    assert answer(cli) == {}
    assert set(answer(cli, "--mock-version", "2", "--script", script)) == {"a", "b"}
    newest = write(working_folder / "newest.yaml", "mock_version: 2\n")
    assert (
        set(answer(cli, "--script", newest)) == set(answer(cli, "--script", newest, "--script", script)) == {"a", "b"}
    )


# -- recordings that are missing --------------------------------------------------------------------------------------


@pytest.fixture
def vendor(environment: dict[str, str]) -> Iterator[Vendor]:
    with Vendor() as vendor:
        environment.update({**vendor.addresses, "OPENAI_API_KEY": KEY})
        yield vendor


REAL = (*RUN, "--mode", "real", "-m", "openai/gpt-4o-mini")


def test_a_run_asks_the_vendor_only_for_what_is_not_recorded(cli: Cli, tmp_path: Path, vendor: Vendor) -> None:
    folder = tmp_path / "recordings"
    for text in ("one", "two", "one", "one"):
        assert cli(*REAL, text, "--record-missing", str(folder)).out == "Hello there!\n"
    assert len(vendor.requests) == len(list(folder.iterdir())) == 2
    assert cli(*RUN, "-m", "openai/gpt-4o-mini", "two", "--replay", str(folder)).out == "Hello there!\n"


def test_what_is_ignored_is_not_missing(cli: Cli, tmp_path: Path, vendor: Vendor) -> None:
    folder, script = str(tmp_path / "recordings"), write(tmp_path / "ignore.yaml", "ignore: [dates]\n")
    for day in ("01", "02"):
        asked = cli(*REAL, f"It is 2026-01-{day}.", "--record-missing", folder, "--script", script)
        assert asked.out == "Hello there!\n"
    assert len(vendor.requests) == 1
    rules = write(tmp_path / "rules.yaml", "rules: [{answers: [{text: x}]}]\n")
    refused = cli(*REAL, "Hi", "--record-missing", folder, "--script", rules, "--json")
    assert (refused.status, "expected ignore alone" in refused.document["error"]["message"]) == (2, True)


def test_what_is_recorded_costs_nothing_of_the_budget(cli: Cli, tmp_path: Path, vendor: Vendor) -> None:
    asked = (*REAL, "one", "-o", "max_tokens=5", "--record-missing", str(tmp_path / "recordings"), "--json")
    first = cli(*asked).document
    assert first["usage"]["cost_usd"] > 0
    again = cli(*asked).document
    assert (again["mode"], again["outputs"]) == ("mock", first["outputs"])


def test_a_batch_records_what_is_missing_and_a_second_one_asks_nobody(
    cli: Cli, tmp_path: Path, working_folder: Path, vendor: Vendor
) -> None:
    lines = [{"messages": [{"role": "user", "content": text}]} for text in ("a", "b", "c")]
    (working_folder / "lines.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    folder = working_folder / "recordings"
    batch = ("local", "batch", "lines.jsonl", "--ref", REF, "--mode", "real", "--record-missing", "recordings", "--out")
    assert cli(*batch, "first.jsonl").status == 0
    assert len(vendor.requests) == len(list(folder.iterdir())) == 3
    assert cli(*batch, "second.jsonl", "--json").status == 0
    assert len(vendor.requests) == 3
    rows = [json.loads(line) for line in (working_folder / "second.jsonl").read_text().splitlines()]
    assert [row["outputs"][0]["text"] for row in rows] == ["Hello there!"] * 3


def test_an_instance_asks_the_vendor_only_for_what_is_not_recorded(cli: Cli, tmp_path: Path, vendor: Vendor) -> None:
    folder = tmp_path / "recordings"
    assert cli(*REAL, "one", "--record", str(folder)).status == 0
    start = ("local", "start", "--ref", REF, "--runtime", "process", "--mode", "real", "--record-missing", str(folder))
    assert cli(*start).status == 0
    try:
        for text in ("one", "two", "two"):
            assert cli(*RUN, "-m", "openai/gpt-4o-mini", text).out == "Hello there!\n"
        assert len(vendor.requests) == len(list(folder.iterdir())) == 2
    finally:
        assert cli("local", "stop", "--all").status == 0
