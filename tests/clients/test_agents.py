"""Agent frameworks, as they come: with `--tools each` an agent runs each of its tools once, and ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.agents import HERE, OPENAI2, OPENAI3, TOOLS, TWO_TURNS
from tests.clients.environments import concerned, python_with
from tests.openai.conftest import Variables

EACH_ONCE = [["add", 2, 40], ["weather", "Turin"]]


def calls_of(python: str | Path, agent: str, env: Variables, folder: Path) -> list[list[object]]:
    """The tools that an agent ran with their arguments, until it ended."""
    file = folder / "program.py"  # smolagents reads the source of a tool
    file.write_text(f"{TOOLS}\n{agent}\nprint(json.dumps(ran))")
    done = subprocess.run(
        [python, file], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env, cwd=folder, timeout=250
    )
    assert done.returncode == 0, done.stderr[-2000:]
    ran: list[list[object]] = json.loads(done.stdout.splitlines()[-1])
    return ran


@pytest.mark.parametrize("agent", HERE)
def test_an_agent_runs_each_of_its_tools_once_and_ends(agent: str, caller: Variables, tmp_path: Path) -> None:
    assert calls_of(sys.executable, HERE[agent], caller, tmp_path) == EACH_ONCE


OTHERS = [
    pytest.param(environment, agent, id=name)
    for environment, agents in (("openai3", OPENAI3), ("openai2", OPENAI2))
    for name, agent in agents.items()
]


SLOW = pytest.mark.slow(
    *concerned("openai", "gemini", "ollama"),
    "providers/theoryctl_providers/mock/tool_turns.py",
    "providers/theoryctl_providers/mock/words.py",
)


@SLOW
@pytest.mark.parametrize(("environment", "agent"), OTHERS)
def test_an_agent_of_another_environment_does_too(
    environment: str, agent: str, caller: Variables, tmp_path: Path
) -> None:
    assert calls_of(python_with(environment), agent, caller, tmp_path) == EACH_ONCE


@SLOW
@pytest.mark.parametrize("agent", TWO_TURNS)
def test_an_agent_that_plans_or_hands_in_its_answer_calls_each_tool_again_in_its_second_turn(
    agent: str, caller: Variables, tmp_path: Path
) -> None:
    again = [["add", 3, 4], ["weather", "Rome"]]
    assert calls_of(python_with("openai3"), TWO_TURNS[agent], caller, tmp_path) == [*EACH_ONCE, *again]
