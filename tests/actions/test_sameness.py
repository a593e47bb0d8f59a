"""`theoryctl manifest test --runtimes`: the same inputs give the same outputs wherever a provider runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Cli

ACME = "acme/echo@1"
BOTH = ("--runtimes", "embedded,process")

#: What stands at the end of a provider whose answer depends on the place that it runs in.
DIFFERS = """\
from theoryctl_providers import Delta, Finish


async def stream(self, request):
    yield Delta(text=request.config.runtime)
    yield Finish()

EchoProvider.stream = stream
"""


def test_the_same_outputs_are_told_and_reported_and_nothing_stays_started(theoryctl: Cli, tmp_path: Path) -> None:
    inputs = tmp_path / "mine.json"
    inputs.write_text(json.dumps({"messages": [{"role": "user", "content": "Grüße"}], "n": 2}))
    report = tmp_path / "report.md"
    ran = theoryctl(
        "manifest", "test", "llm/mock@1", *BOTH, "--inputs-file", str(inputs), "--report", str(report), "--json"
    )
    assert ran.status == 0, ran.err
    document = ran.document
    assert (document["schema"], document["same"], len(document["asked"])) == ("theoryctl.sameness/v1", True, 4)
    here, _, there, _ = document["asked"]
    assert here["outputs"] == there["outputs"] and here["outputs"]["answer"].startswith("sha256:")
    assert "All runtimes gave the same outputs." in report.read_text()
    assert here["outputs"]["answer"] in report.read_text()
    assert theoryctl("local", "status", "--json").document["instances"] == []


def test_the_first_difference_is_named_with_exit_6(theoryctl: Cli, tmp_path: Path) -> None:
    theoryctl("manifest", "new", ACME)
    source = tmp_path / "work/acme_echo/src/acme_echo/__init__.py"
    source.write_text(f"{source.read_text()}\n\n{DIFFERS}")
    report = tmp_path / "report.json"
    ran = theoryctl("manifest", "test", ACME, *BOTH, "--report", str(report))
    assert ran.status == 6, ran.err
    assert ran.out.splitlines()[-1].startswith("differs: example: process: answer: expected sha256:")
    assert json.loads(report.read_text())["same"] is False


@pytest.mark.parametrize(
    "flags",
    [("--runtimes", "embedded"), ("--runtimes", "embedded,moon"), ("--report", "r.md"), (*BOTH, "--env-file", "k")],
)
def test_flags_that_compare_nothing_are_refused(cli: Cli, flags: tuple[str, ...]) -> None:
    assert cli("manifest", "test", "llm/mock@1", *flags).status == 2
