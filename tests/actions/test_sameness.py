"""`theoryctl manifest test --runtimes`: the same inputs give the same outputs wherever a provider runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.conftest import Cli
from theoryctl_providers.contract import VERSION

ACME = "acme/echo@1"
BOTH = ("--runtimes", "embedded,process")

#: What stands at the end of a provider whose answer depends on the place that it runs in.
DIFFERS = """\
from theoryctl_providers import Delta, Finish


async def stream(self, request):
    yield Delta(text=request.config.runtime if {condition} else "the same")
    yield Finish()

EchoProvider.stream = stream
"""


def test_the_same_outputs_are_told_and_reported_and_nothing_stays_started(theoryctl: Cli, tmp_path: Path) -> None:
    inputs = tmp_path / "mine.json"
    inputs.write_text(json.dumps({"messages": [{"role": "user", "content": "Grüße"}], "n": 2}))
    report = tmp_path / "report.md"
    mine = ("--inputs-file", str(inputs), "--report", str(report))
    ran = theoryctl("manifest", "test", "llm/mock@1", *BOTH, *mine, "--json")
    assert ran.status == 0, ran.err
    document = ran.document
    assert (document["schema"], document["same"], document["difference"]) == ("theoryctl.sameness/v1", True, None)
    here, there = (
        {each["question"]: each["outputs"] for each in document["asked"] if each["runtime"] == runtime}
        for runtime in ("embedded", "process")
    )
    assert here == there and here[str(inputs)]["answer"].startswith("sha256:")
    assert f"theoryctl {VERSION}. All runtimes gave the same outputs." in report.read_text()
    assert here[str(inputs)]["answer"] in report.read_text()
    state = tmp_path / "home/.local/state/theoryctl/instances"
    assert state.is_dir() and [each.name for each in state.rglob("*") if each.is_file()] == []
    assert theoryctl("local", "status", "--json").document["instances"] == []


def test_each_key_that_the_schema_has_is_asked(cli: Cli) -> None:
    """The example says `messages` alone; what depends on another key is found by a sample."""
    ran = cli("manifest", "test", "llm/mock@1", *BOTH, "--json")
    assert ran.status == 0, ran.err
    asked = {each["question"]: each["outputs"] for each in ran.document["asked"]}
    assert {"example", "required keys", "example and n", "example and tools"} <= asked.keys()
    assert all(outputs.get("error") in (None, "ERR_UNSUPPORTED_PARAM", "ERR_INPUTS") for outputs in asked.values())
    assert sum("answer" in outputs for outputs in asked.values()) > 40


@pytest.mark.parametrize(
    ("condition", "question"), [("True", "example"), ('"max_tokens" in request.inputs', "example and max_tokens")]
)
def test_the_first_difference_is_named_with_exit_6(
    theoryctl: Cli, tmp_path: Path, condition: str, question: str
) -> None:
    theoryctl("manifest", "new", ACME)
    source = tmp_path / "work/acme_echo/src/acme_echo/__init__.py"
    source.write_text(f"{source.read_text()}\n\n{DIFFERS.replace('{condition}', condition)}")
    report = tmp_path / "report.json"
    ran = theoryctl("manifest", "test", ACME, *BOTH, "--report", str(report))
    assert ran.status == 6, ran.err
    assert ran.out.splitlines()[-1].startswith(f"differs: {question}: process: answer: expected sha256:")
    assert json.loads(report.read_text())["same"] is False


@pytest.mark.parametrize(
    ("runtimes", "others"), [("embedded,process,docker", "embedded,process"), ("process,docker", "embedded,process")]
)
def test_nothing_is_asked_where_one_of_the_runtimes_is_not_there(cli: Cli, runtimes: str, others: str) -> None:
    test = ("manifest", "test", "llm/mock@1", "--runtimes")
    ran = cli(*test, runtimes, env={"DOCKER_HOST": "tcp://127.0.0.1:9"})
    assert (ran.status, "asking" in ran.err) == (5, False)
    assert ran.err.endswith(f"hint: theoryctl manifest test llm/mock@1 --runtimes {others}\n")


def test_nothing_is_asked_where_modal_is_not_there(cli: Cli) -> None:
    ran = cli("manifest", "test", "llm/mock@1", "--runtimes", "embedded,modal")
    assert (ran.status, "asking" in ran.err, "ERR_MODAL_AUTH" in ran.err) == (4, False, True)


def test_a_report_that_cannot_be_written_is_told_before_anything_starts(cli: Cli, working_folder: Path) -> None:
    ran = cli("manifest", "test", "llm/mock@1", *BOTH, "--report", "missing/report.md")
    assert (ran.status, ran.out) == (1, "")
    assert "asking" not in ran.err and f"mkdir -p {working_folder.resolve() / 'missing'}" in ran.err


def test_a_report_in_a_folder_that_nobody_may_write_to_is_told_before_anything_starts(
    cli: Cli, working_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (working_folder / "closed").mkdir(mode=0o555)
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("closed"))  # root may write anywhere
    ran = cli("manifest", "test", "llm/mock@1", *BOTH, "--report", "closed/report.md")
    assert ran.status == 1
    assert "asking" not in ran.err and "no file can be written there" in ran.err


def test_a_report_that_would_be_written_into_a_fifo_is_refused_before_anything_starts(
    cli: Cli, working_folder: Path
) -> None:
    os.mkfifo(working_folder / "fifo")
    ran = cli("manifest", "test", "llm/mock@1", *BOTH, "--report", "fifo")
    assert ran.status == 1
    assert "asking" not in ran.err and "--report report.md" in ran.err


@pytest.mark.parametrize(
    "flags",
    [
        ("--runtimes", "embedded"),
        ("--runtimes", "embedded,moon"),
        ("--report", "r.md"),
        ("--env", "dev"),
        (*BOTH, "--env-file", "k"),
        (*BOTH, "--env", "dev"),
    ],
)
def test_flags_that_compare_nothing_are_refused(cli: Cli, flags: tuple[str, ...]) -> None:
    assert cli("manifest", "test", "llm/mock@1", *flags).status == 2
