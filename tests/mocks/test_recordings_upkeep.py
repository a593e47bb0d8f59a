"""`theoryctl recordings`: what is answered today, and what nobody needs any more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import REF, Cli
from tests.mocks.written import recorded
from tests.real.vendor import Vendor, fails
from theoryctl_providers.contract import Annotation, Output, Recording, Usage, write_recordings

DIFF = ("recordings", "diff", "recordings", "--ref", REF)
#: The vendor's answer to everything.
TODAY = "Hello there!"
ENV = {"OPENAI_API_KEY": "canary.4b1d7c90e2f85a36d1c7"}


@pytest.fixture
def folder(working_folder: Path) -> Path:
    return working_folder / "recordings"


@pytest.fixture
def vendor(environment: dict[str, str]) -> Iterator[Vendor]:
    with Vendor() as vendor:
        environment.update({**vendor.addresses, **ENV})
        yield vendor


def test_a_diff_says_first_what_it_costs_and_asks_nobody(cli: Cli, folder: Path, vendor: Vendor) -> None:
    write_recordings(folder, [recorded("one", TODAY), recorded("two", "Something else.")])
    ran = cli(*DIFF, "--json")
    assert (ran.status, ran.document["asked"], vendor.requests) == (0, False, [])
    assert 0 < ran.document["cost_usd"] < 0.1
    assert [row["outcome"] for row in ran.document["recordings"]] == ["planned", "planned"]
    said = cli(*DIFF).err
    assert "nobody was asked; to ask 2 times for at most $" in said
    assert f"theoryctl recordings diff recordings --ref {REF} --ask" in said
    (folder / write_recordings(folder, [recorded("two", "Something else.")])[0].name).unlink()
    assert "to ask once for at most $" in cli(*DIFF).err


def test_what_is_asked_again_is_the_same_or_changed_and_no_file_is_written(
    cli: Cli, folder: Path, vendor: Vendor
) -> None:
    files = write_recordings(folder, [recorded("one", TODAY), recorded("two", "Something else.")])
    before = [file.read_bytes() for file in files]
    ran = cli(*DIFF, "--ask", "--json")
    found = {row["file"]: row for row in ran.document["recordings"]}
    assert (ran.status, len(vendor.requests)) == (0, 2), ran.err
    same, changed = (found[file.name] for file in files)
    assert (same["outcome"], same["difference"]) == ("same", [])
    assert changed["outcome"] == "changed"
    assert changed["difference"][2:] == [
        "@@ -1,2 +1,2 @@",
        "-answer: Something else.",
        f"+answer: {TODAY}",
        " finish_reason: stop",
    ]
    assert "real mode: a vendor is asked 2 times, for at most $" in ran.err
    assert [file.read_bytes() for file in files] == before


def test_a_request_that_is_refused_today_is_stale(cli: Cli, folder: Path, environment: dict[str, str]) -> None:
    write_recordings(folder, [recorded("one", TODAY)])
    with Vendor(fails(404)) as vendor:
        environment.update({**vendor.addresses, **ENV})
        ran = cli(*DIFF, "--ask", "--json")
    (row,) = ran.document["recordings"]
    assert (ran.status, row["outcome"]) == (3, "stale")
    assert row["what"].startswith("ERR_MODEL_NOT_FOUND: ")


def test_a_call_that_fails_for_another_reason_is_not_stale(cli: Cli, folder: Path, environment: dict[str, str]) -> None:
    write_recordings(folder, [recorded("one", TODAY)])
    with Vendor(fails(401)) as vendor:
        environment.update({**vendor.addresses, **ENV})
        ran = cli(*DIFF, "--ask", "--json")
    assert (ran.status, ran.document["recordings"][0]["outcome"]) == (1, "failed")


def test_what_came_with_files_or_held_a_secret_is_not_asked(cli: Cli, folder: Path, vendor: Vendor) -> None:
    file = {"type": "text", "text": {"$attach": "a.txt", "digest": "sha256:0"}}
    attached = {"messages": [{"role": "user", "content": [file]}], "model": "openai/gpt-4o-mini"}
    write_recordings(folder, [recorded("my key is [OPENAI_API_KEY]", TODAY), recorded(attached, TODAY)])
    ran = cli(*DIFF, "--ask", "--json")
    assert (ran.status, vendor.requests) == (0, [])
    assert sorted(row["what"] for row in ran.document["recordings"]) == [
        "it cannot be asked again: a secret stood in its request",
        "it cannot be asked again: files came with its request",
    ]


def test_what_held_a_secret_of_any_name_is_not_asked(cli: Cli, folder: Path, vendor: Vendor) -> None:
    hidden = recorded("it is [dbPass]", TODAY)
    write_recordings(folder, [recorded("it is [PASSWORD]", TODAY), replace(hidden, key=recorded("it is s", TODAY).key)])
    ran = cli(*DIFF, "--ask", "--json")
    assert ([row["outcome"] for row in ran.document["recordings"]], vendor.requests) == (["kept", "kept"], []), ran.err


def embedded(text: str, vector: Output) -> Recording:
    inputs = {"input": text, "model": "openai/text-embedding-3-small"}
    key, events = Recording.key_for("embeddings", inputs), (vector, Usage(7, 0, 0.01))
    return Recording(key=key, operation="embeddings", model=inputs["model"], inputs=inputs, events=events)


def test_vectors_and_annotations_that_changed_are_told(cli: Cli, folder: Path, vendor: Vendor) -> None:
    vector = Output("embeddings", "application/json", [[2.0, 0.5]])
    cited = (Annotation(0, {"type": "url_citation"}), *recorded("cited", TODAY).events)
    write_recordings(
        folder,
        [
            embedded("Hi", vector),
            embedded("longer", vector),
            replace(recorded("cited", TODAY), events=cited),
        ],
    )
    ran = cli(*DIFF, "--ask", "--json")
    found = {row["file"]: (row["outcome"], row["difference"]) for row in ran.document["recordings"]}
    assert found[embedded("Hi", vector).file_name] == ("same", []), ran.err
    outcome, lines = found[embedded("longer", vector).file_name]
    assert (outcome, [line[:19] for line in lines if "sha256" in line]) == (
        "changed",
        ["-embeddings: sha256", "+embeddings: sha256"],
    )
    outcome, lines = found[recorded("cited", TODAY).file_name]
    assert outcome == "changed" and '-annotation: {"type": "url_citation"}' in lines


def test_the_command_that_asks_keeps_the_limit(cli: Cli, folder: Path, vendor: Vendor) -> None:
    write_recordings(folder, [recorded("one", TODAY)])
    said = cli(*DIFF, "--max-cost", "0.5").err
    assert f"theoryctl recordings diff recordings --ref {REF} --ask --max-cost 0.5" in said


def test_more_than_the_limit_is_not_spent(cli: Cli, folder: Path, vendor: Vendor) -> None:
    write_recordings(folder, [recorded("one", TODAY)])
    ran = cli(*DIFF, "--ask", "--max-cost", "0.000001", "--json")
    assert (ran.status, ran.document["error"]["code"], vendor.requests) == (7, "ERR_MAX_COST", [])


def test_a_folder_that_is_not_there_is_named_with_the_one_that_was_meant(cli: Cli, folder: Path) -> None:
    write_recordings(folder, [recorded("one", TODAY)])
    ran = cli("recordings", "diff", "recording", "--ref", REF, "--json")
    assert (ran.status, ran.document["error"]["code"]) == (3, "ERR_RECORDING")
    assert ran.document["error"]["hint"] == f"theoryctl recordings diff recordings --ref {REF} --json"


# -- prune ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def replaying(cli: Cli, folder: Path) -> Iterator[list[Recording]]:
    """An instance that replays three recordings, of which one was asked for."""
    recordings = [recorded("one", "1"), recorded("two", "2"), recorded("two", "2, again", number=2)]
    write_recordings(folder, recordings)
    start = ("local", "start", "--ref", REF, "--runtime", "process", "--replay", str(folder))
    assert cli(*start).status == 0
    assert cli("local", "run", "--ref", REF, "-m", "openai/gpt-4o-mini", "two").out == "2\n"
    yield recordings
    assert cli("local", "stop", "--all").status == 0


def test_recordings_that_answered_nothing_are_listed_and_removed_only_where_that_is_said(
    cli: Cli, folder: Path, replaying: list[Recording]
) -> None:
    prune = ("recordings", "prune", "--unused", "--ref", REF)
    plan = cli(*prune, "--json")
    unused = [str(folder / recording.file_name) for recording in (replaying[0], replaying[2])]
    assert (plan.document["removed"], sorted(plan.document["files"])) == (False, sorted(unused))
    assert f"theoryctl recordings prune --ref {REF} --unused --remove" in cli(*prune).err
    assert len(list(folder.iterdir())) == 3
    assert cli(*prune, "--remove", "--json").document["removed"] is True
    assert [file.name for file in folder.iterdir()] == [replaying[1].file_name]
    stopped = cli("local", "stop", "--all").out.splitlines()
    assert stopped == [f"stopped {REF} (process)"], "what was removed is no recording any more"


def test_what_another_instance_answered_from_the_same_folder_stays(
    cli: Cli, folder: Path, replaying: list[Recording]
) -> None:
    start = ("local", "start", "--ref", REF, "--runtime", "process", "--name", "other", "--replay", str(folder))
    assert cli(*start).status == 0
    assert cli("local", "run", "--ref", REF, "--name", "other", "-m", "openai/gpt-4o-mini", "one").out == "1\n"
    pruned = cli("recordings", "prune", "--unused", "--remove", "--ref", REF, "--json").document["files"]
    assert pruned == [str(folder / replaying[2].file_name)]
    assert f"{REF} (process): 1 recording answered no request" in cli("local", "stop", "--all").out


def test_nothing_is_removed_where_no_recording_answered(cli: Cli, folder: Path) -> None:
    write_recordings(folder, [recorded("one", "1"), recorded("two", "2")])
    assert cli("local", "start", "--ref", REF, "--runtime", "process", "--replay", str(folder)).status == 0
    try:
        prune = ("recordings", "prune", "--unused", "--ref", REF, "--json")
        assert len(cli(*prune).document["files"]) == 2
        ran = cli(*prune, "--remove")
        assert (ran.status, ran.document["error"]["hint"]) == (2, "run the tests against it first")
        assert len(list(folder.iterdir())) == 2
    finally:
        assert cli("local", "stop", "--all").status == 0


def test_what_is_recorded_because_it_was_missing_is_not_pruned(cli: Cli, folder: Path, vendor: Vendor) -> None:
    write_recordings(folder, [recorded("one", "1"), recorded("two", "2")])
    start = ("local", "start", "--ref", REF, "--runtime", "process", "--mode", "real", "--record-missing", str(folder))
    assert cli(*start).status == 0
    try:
        for text in ("two", "three"):
            assert cli("local", "run", "--ref", REF, "-m", "openai/gpt-4o-mini", text).status == 0
        plan = cli("recordings", "prune", "--unused", "--ref", REF, "--json").document["files"]
        assert plan == [str(folder / recorded("one", "1").file_name)]
        assert len(vendor.requests) == 1
    finally:
        assert cli("local", "stop", "--all").status == 0


def test_prune_wants_to_be_told_what_and_an_instance_that_replays(cli: Cli) -> None:
    assert cli("local", "start", "--ref", REF, "--runtime", "process").status == 0
    try:
        ran = cli("recordings", "prune", "--unused", "--ref", REF, "--json")
        assert (ran.status, "was not started with --replay or" in ran.document["error"]["message"]) == (2, True)
    finally:
        assert cli("local", "stop", "--all").status == 0


@pytest.mark.parametrize(
    ("typed", "replayed"), [((), "recordings"), (("--unused",), "recordings"), (("kept",), "kept")]
)
def test_the_hints_of_prune_lead_from_nothing_started_to_its_plan(
    cli: Cli, working_folder: Path, typed: tuple[str, ...], replayed: str
) -> None:
    write_recordings(working_folder / replayed, [recorded("one", "1")])
    prune = ("recordings", "prune", *typed, "--json")
    hint = cli(*prune).document["error"]["hint"]
    assert hint == f"theoryctl local start --ref {REF} --runtime process --replay {replayed}"
    try:
        assert cli(*hint.split()[1:]).status == 0
        if "--unused" not in typed:
            prune = tuple(cli(*prune).document["error"]["hint"].split()[1:])
        assert len(cli(*prune).document["files"]) == 1
    finally:
        assert cli("local", "stop", "--all").status == 0


def test_prune_names_no_folder_that_is_not_there(cli: Cli, working_folder: Path) -> None:
    sentence = "start it with --replay and the folder of the recordings"
    assert cli("recordings", "prune", "--json").document["error"]["hint"] == sentence
