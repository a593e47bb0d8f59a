"""The composite action: a mock for the steps of a job, with its log where they fail."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT, THEORYCTL, Cli
from tests.packaging.runner import Runner, action

FOLDER = ROOT / ".github/actions/theoryctl"
ASK = """\
curl -sf "$OPENAI_BASE_URL/chat/completions" -H "Authorization: Bearer $OPENAI_API_KEY" \
  -d '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "2+2?"}]}'"""
RULES = "rules:\n  - answers:\n      - text: four\n"


@pytest.fixture
def runner(environment: dict[str, str], working_folder: Path, tmp_path: Path) -> Runner:
    """A runner whose job installed theoryctl before."""
    temporary = tmp_path / "temp"
    temporary.mkdir()
    path = f"{THEORYCTL.parent}:{environment['PATH']}"
    contexts = {"github": {"job": "tests"}, "strategy": {"job-index": 0}, "runner": {"temp": temporary}}
    return Runner({**environment, "PATH": path, "RUNNER_TEMP": str(temporary)}, working_folder, contexts)


def test_commands_run_against_a_mock_that_is_up_within_ten_seconds(runner: Runner, cli: Cli) -> None:
    (runner.workspace / "answers.yaml").write_text(RULES)
    began = time.monotonic()
    action(FOLDER, runner, script="answers.yaml", run=f"{ASK} >answer.json")
    assert (runner.failed, time.monotonic() - began < 10) == (False, True), runner.printed
    answer = json.loads((runner.workspace / "answer.json").read_text())
    assert answer["choices"][0]["message"]["content"] == "four"
    assert (runner.used, cli("local", "status", "--json").document["instances"]) == ({}, [])


def test_later_steps_have_the_mock_in_their_environment(runner: Runner, cli: Cli) -> None:
    outputs = action(FOLDER, runner)
    assert not runner.failed, runner.printed
    assert f"{outputs['url']}/v1" == runner.environment["OPENAI_BASE_URL"]
    assert f"::add-mask::{runner.environment['OPENAI_API_KEY']}\n" in runner.printed
    runner.run([{"run": ASK}])
    assert "Mock answer" in runner.printed
    assert cli("local", "stop", "--all").status == 0


def test_where_a_command_fails_the_log_and_the_requests_are_an_artifact(runner: Runner, cli: Cli) -> None:
    action(FOLDER, runner, run=f"{ASK}\nfalse | cat\ntouch went-on")
    assert runner.failed and not (runner.workspace / "went-on").exists()
    (artifact,) = runner.used.values()
    assert artifact["name"] == "theoryctl-log-tests-0"
    requests = json.loads(Path(artifact["path"], "requests.json").read_text())["requests"]
    assert [asked["path"] for asked in requests] == ["/v1/chat/completions"]
    assert "chat/completions" in Path(artifact["path"], "log.ndjson").read_text()
    assert cli("local", "status", "--json").document["instances"] == []


@pytest.mark.parametrize("inputs", [{"ref": "$(touch made)"}, {"script": "missing.yaml"}, {"script": '"; touch made"'}])
def test_inputs_are_values_and_never_commands(runner: Runner, inputs: dict[str, str]) -> None:
    action(FOLDER, runner, run="touch made", **inputs)
    assert runner.failed and not (runner.workspace / "made").exists()
    assert runner.used == {}
    assert "error ERR_" in runner.printed


@pytest.mark.slow(".github/actions/*", "requirements-core.lock", "pyproject.toml", "tests/packaging/test_action.py")
def test_a_job_without_theoryctl_gets_that_of_the_commit(runner: Runner, environment: dict[str, str]) -> None:
    tools = runner.workspace.parent / "tools"
    tools.mkdir()
    (tools / "python3").symlink_to(shutil.which("python3", path=runner.environment["PATH"]) or "")
    runner.environment["PATH"] = f"{tools}:{environment['PATH']}"
    assert shutil.which("theoryctl", path=runner.environment["PATH"]) is None
    action(FOLDER, runner, run=f"{ASK}\ncommand -v theoryctl")
    assert not runner.failed, runner.printed
    assert f"{runner.environment['RUNNER_TEMP']}/theoryctl/bin/theoryctl" in runner.printed
