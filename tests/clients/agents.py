"""Programs of agent frameworks, as their documentation begins: each runs an agent with the same two tools."""

from __future__ import annotations

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

#: The agents that the suite's own environment has.
HERE = {
    "agents": """\
from agents import Agent, Runner, function_tool, set_tracing_disabled
set_tracing_disabled(True)
Runner.run_sync(Agent(name="it", tools=[function_tool(add), function_tool(weather)]), PROMPT)
""",
    "pydantic_ai": """\
from pydantic_ai import Agent
Agent("openai-chat:gpt-4o-mini", tools=[add, weather]).run_sync(PROMPT)
""",
}

#: Those of `openai3.lock`.
OPENAI3 = {
    "agno": """\
from agno.agent import Agent
from agno.models.openai import OpenAIChat
Agent(model=OpenAIChat(id="gpt-4o-mini"), tools=[add, weather], telemetry=False).run(PROMPT)
""",
    "autogen_agentchat": """\
import asyncio
from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient
model = OpenAIChatCompletionClient(model="gpt-4o-mini")
agent = AssistantAgent("it", model, tools=[add, weather], max_tool_iterations=9)
asyncio.run(agent.run(task=PROMPT))
""",
    "google_adk": """\
import asyncio
from google.adk.agents import Agent
from google.adk.runners import InMemoryRunner
agent = Agent(name="it", model="gemini-2.5-flash", tools=[add, weather])
asyncio.run(InMemoryRunner(agent=agent).run_debug(PROMPT, quiet=True))
""",
    "haystack": """\
from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import create_tool_from_function as made
agent = Agent(chat_generator=OpenAIChatGenerator(model="gpt-4o-mini"), tools=[made(add), made(weather)])
agent.run(messages=[ChatMessage.from_user(PROMPT)])
""",
    "inspect_ai": """\
import inspect_ai
from inspect_ai.agent import react
from inspect_ai.dataset import Sample
from inspect_ai.tool import ToolDef

async def later_add(a: int, b: int) -> int: return add(a, b)
async def later_weather(city: str) -> str: return weather(city)

told = {"a": "One.", "b": "The other."}
tools = [
    ToolDef(later_add, "add", add.__doc__, told).as_tool(),
    ToolDef(later_weather, "weather", weather.__doc__, {"city": "Where."}).as_tool(),
]
task = inspect_ai.Task([Sample(PROMPT)], solver=react(tools=tools))
[log] = inspect_ai.eval(task, model="openai/gpt-4o-mini", display="none")
assert log.status == "success", log.error
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
}

#: Those of `openai2.lock`.
OPENAI2 = {
    "crewai": """\
from crewai import Agent, Crew, LLM, Task
from crewai.tools import tool
own = [tool("add")(add), tool("weather")(weather)]
agent = Agent(role="Helper", goal="To help", backstory="Long.", llm=LLM(model="openai/gpt-4o-mini"), tools=own)
Crew(agents=[agent], tasks=[Task(description=PROMPT, expected_output="Both.", agent=agent)]).kickoff()
""",
    # Without `api_base` it reads OPENAI_API_BASE, which `local env` does not set: with it, LangChain's client for
    # embeddings by Azure refuses to start (langchain_openai/embeddings/azure.py).
    "llama_index": """\
import asyncio, os
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.llms.openai import OpenAI

async def main():
    model = OpenAI(model="gpt-4o-mini", api_base=os.environ["OPENAI_BASE_URL"])
    await FunctionAgent(tools=[add, weather], llm=model).run(PROMPT)

asyncio.run(main())
""",
    "strands": """\
from strands import Agent, tool
from strands.models.openai import OpenAIModel
Agent(model=OpenAIModel(model_id="gpt-4o-mini"), tools=[tool(add), tool(weather)], callback_handler=None)(PROMPT)
""",
}

#: What a second turn asks.
NEXT = 'Add 3 and 4, and tell the weather in "Rome".'

#: Agents of `openai3.lock` in two turns of one conversation, of which each is to end with an answer that is handed in.
TWO_TURNS = {
    "langchain": f"""\
from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

class Report(BaseModel):
    total: int
    city: str

model, messages = ChatOpenAI(model="gpt-4o-mini"), []
agent = create_agent(model, [add, weather], response_format=ToolStrategy(Report))
for said in (PROMPT, {NEXT!r}):
    state = agent.invoke({{"messages": [*messages, ("user", said)]}}, {{"recursion_limit": 20}})
    messages = state["messages"]
    assert state["structured_response"].city in said
""",
    # Ollama has no `tool_choice`, so the name of the class says that its tool hands in the answer.
    "langchain-ollama": f"""\
import os
from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_ollama import ChatOllama
from pydantic import BaseModel

class FinalReport(BaseModel):
    total: int
    city: str

key, messages = {{"headers": {{"Authorization": "Bearer " + os.environ["OLLAMA_API_KEY"]}}}}, []
agent = create_agent(
    ChatOllama(model="llama3.2", client_kwargs=key), [add, weather], response_format=ToolStrategy(FinalReport)
)
for said in (PROMPT, {NEXT!r}):
    state = agent.invoke({{"messages": [*messages, ("user", said)]}}, {{"recursion_limit": 20}})
    messages = state["messages"]
    assert state["structured_response"].city in said
""",
    "smolagents": f"""\
import os
from smolagents import OpenAIServerModel, ToolCallingAgent, tool
model = OpenAIServerModel("gpt-4o-mini", api_base=os.environ["OPENAI_BASE_URL"], api_key=os.environ["OPENAI_API_KEY"])
own = [tool(add), tool(weather)]
agent = ToolCallingAgent(tools=own, model=model, verbosity_level=0, planning_interval=2, max_steps=9)
assert agent.run(PROMPT) == "Turin"
assert agent.run({NEXT!r}, reset=False) == "Rome"
""",
}
