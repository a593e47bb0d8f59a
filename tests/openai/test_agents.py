"""Agent frameworks, as they come: with `--tools each` an agent runs each of its tools once, and ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REF
from tests.openai.conftest import Variables, theoryctl

PROMPT = 'Add 2 and 40, and tell the weather in "Turin".'

#: The tools of every agent, and how each notes that it ran.
TOOLS = f"""\
import json
ran = []

def add(a: int, b: int) -> int:
    \"\"\"Add two numbers.

    Args:
        a: One.
        b: The other.
    \"\"\"
    ran.append(["add", a, b])
    return a + b

def weather(city: str) -> str:
    \"\"\"Tell the weather.

    Args:
        city: Where.
    \"\"\"
    ran.append(["weather", city])
    return "sunny"

PROMPT = {PROMPT!r}
"""

AGENTS = {
    "pydantic_ai": """\
from pydantic_ai import Agent
Agent("openai-chat:gpt-4o-mini", tools=[add, weather]).run_sync(PROMPT)
""",
    "agents": """\
from agents import Agent, Runner, function_tool, set_tracing_disabled
set_tracing_disabled(True)
Runner.run_sync(Agent(name="it", tools=[function_tool(add), function_tool(weather)]), PROMPT)
""",
    "langchain": """\
from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
create_agent(ChatOpenAI(model="gpt-4o-mini"), [add, weather]).invoke({"messages": [("user", PROMPT)]})
""",
    "smolagents": """\
import os
from smolagents import OpenAIServerModel, ToolCallingAgent, tool
model = OpenAIServerModel("gpt-4o-mini", api_base=os.environ["OPENAI_BASE_URL"], api_key=os.environ["OPENAI_API_KEY"])
ToolCallingAgent(tools=[tool(add), tool(weather)], model=model, verbosity_level=0).run(PROMPT)
""",
    "autogen_agentchat": """\
import asyncio
from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient
model = OpenAIChatCompletionClient(model="gpt-4o-mini")
agent = AssistantAgent("it", model, tools=[add, weather], max_tool_iterations=9)
asyncio.run(agent.run(task=PROMPT))
""",
    "agno": """\
from agno.agent import Agent
from agno.models.openai import OpenAIChat
Agent(model=OpenAIChat(id="gpt-4o-mini"), tools=[add, weather], telemetry=False).run(PROMPT)
""",
    "strands": """\
from strands import Agent, tool
from strands.models.openai import OpenAIModel
Agent(model=OpenAIModel(model_id="gpt-4o-mini"), tools=[tool(add), tool(weather)], callback_handler=None)(PROMPT)
""",
    "haystack": """\
from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import create_tool_from_function as made
agent = Agent(chat_generator=OpenAIChatGenerator(model="gpt-4o-mini"), tools=[made(add), made(weather)])
agent.run(messages=[ChatMessage.from_user(PROMPT)])
""",
}

#: The agents that the suite's own environment has.
HERE = ("pydantic_ai",)


@pytest.fixture(scope="module")
def caller(home: Variables) -> Iterator[Variables]:
    """A started mock that calls each tool: the variables that lead a client to it."""
    theoryctl("local", "start", "--ref", REF, "--runtime", "process", "--name", "each", "--tools", "each", env=home)
    yield {**home, **theoryctl("local", "env", "--ref", REF, "--name", "each", env=home)["variables"]}


def calls_of(python: str, agent: str, env: Variables, folder: Path) -> list[list[object]]:
    """The tools that an agent ran with their arguments, until it ended."""
    file = folder / "program.py"  # smolagents reads the source of a tool
    file.write_text(f"{TOOLS}\n{AGENTS[agent]}\nprint(json.dumps(ran))")
    done = subprocess.run([python, file], capture_output=True, text=True, env=env, timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]
    ran: list[list[object]] = json.loads(done.stdout.splitlines()[-1])
    return ran


@pytest.mark.parametrize("agent", HERE)
def test_an_agent_runs_each_of_its_tools_once_and_ends(agent: str, caller: Variables, tmp_path: Path) -> None:
    assert calls_of(sys.executable, agent, caller, tmp_path) == [["add", 2, 40], ["weather", "Turin"]]


@pytest.mark.slow("providers/theoryctl_providers/mock/*.py")
@pytest.mark.parametrize("agent", [name for name in AGENTS if name not in HERE])
def test_an_agent_of_the_clients_environment_does_too(agent: str, caller: Variables, tmp_path: Path) -> None:
    python = Path(os.environ.get("THEORYCTL_TEST_AGENTS_PYTHON", ".venv-clients/bin/python"))
    if not python.exists():
        pytest.skip("there is no environment of agents: make clients")
    assert calls_of(str(python), agent, caller, tmp_path) == [["add", 2, 40], ["weather", "Turin"]]
