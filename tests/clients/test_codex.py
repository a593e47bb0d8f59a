"""The Codex CLI gets through a task that a script plays."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import ISOLATED
from tests.clients.environments import NODE, Command, concerned, node_with
from tests.conftest import REF, THEORYCTL
from tests.openai.conftest import Variables, theoryctl

SCRIPT = """\
rules:
  - when: {turn: 1, tools: [exec_command]}
    answers:
      - tool_calls:
          - name: exec_command
            arguments: {cmd: "echo made > made.txt"}
  - when: {turn: 2}
    answers:
      - text: "The file is there."
"""
SETTINGS = """\
model = "gpt-5"
model_provider = "local"
web_search = "disabled"
[model_providers.local]
name = "local"
base_url = "{url}"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
"""


@pytest.mark.slow(*concerned("openai"))
def test_the_codex_cli_runs_the_command_of_a_script_and_ends(tmp_path: Path, home: Variables) -> None:
    task, settings = tmp_path / "task", tmp_path / "codex"
    for folder in (task, settings):
        folder.mkdir()
    (tmp_path / "answers.yaml").write_text(SCRIPT)
    env = {**home, "HOME": str(tmp_path / "home")}
    theoryctl(*f"local start --ref {REF} --runtime process --script {tmp_path / 'answers.yaml'}".split(), env=env)
    try:
        variables = theoryctl("local", "env", "--ref", REF, env=env)["variables"]
        (settings / "config.toml").write_text(SETTINGS.format(url=variables["OPENAI_BASE_URL"]))
        flags = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
        command: Command = [node_with("codex") / "node_modules/.bin/codex", "exec", *flags, "Make the file."]
        told = {**env, **ISOLATED, **variables, "CODEX_HOME": str(settings)}
        told["PATH"] = f"{NODE.parent}:{os.environ['PATH']}"
        done = subprocess.run(
            command, cwd=task, env=told, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
        )
    finally:
        subprocess.run([THEORYCTL, "local", "stop", "--all"], env=env, check=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "The file is there."
    assert (task / "made.txt").read_text() == "made\n"
