"""Other people's clients, as they come: LiteLLM, the `llm` command line, and Pydantic AI."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.openai.conftest import Variables

ANSWER = "Mock answer"

LITELLM = """\
import asyncio, json, litellm

messages = [{"role": "user", "content": "Say hello."}]
whole = litellm.completion(model="openai/gpt-4o-mini", messages=messages)
stream = litellm.completion(
    model="openai/gpt-4o-mini", messages=messages, stream=True, stream_options={"include_usage": True}
)
streamed = litellm.stream_chunk_builder(list(stream), messages=messages)
responded = litellm.responses(model="openai/gpt-4o-mini", input="Say hello.")
vectors = litellm.embedding(model="openai/text-embedding-3-small", input=["a", "b"])
try:
    litellm.completion(model="openai/gpt-4o-mini", messages=messages, logprobs=True)
except litellm.BadRequestError as error:
    refused = type(error).__name__
later = asyncio.run(litellm.acompletion(model="openai/gpt-4o-mini", messages=messages))
print(json.dumps({
    "whole": whole.choices[0].message.content,
    "streamed": streamed.choices[0].message.content,
    "later": later.choices[0].message.content,
    "responded": responded.output[0].content[0].text,
    "usage": [whole.usage.total_tokens, streamed.usage.total_tokens],
    "sizes": [len(item["embedding"]) for item in vectors.data],
    "refused": refused,
}))
"""

AGENT = """\
import json
from pydantic import BaseModel
from pydantic_ai import Agent

class Weather(BaseModel):
    city: str
    degrees: int

def answer(kind, **options):
    agent = Agent(f"{kind}:gpt-4o-mini", instructions="Be brief.", **options)

    @agent.tool_plain
    def get_time(zone: str) -> str:
        return "noon"

    return agent

async def streamed(kind):
    async with answer(kind).run_stream("Say hello.") as result:
        return "".join([piece async for piece in result.stream_text(delta=True)])

import asyncio

found = {}
for kind in ("openai-chat", "openai-responses"):
    text = answer(kind).run_sync("Say hello.")
    weather = answer(kind, output_type=Weather).run_sync("What is it like?")
    found[kind] = {
        "text": text.output,
        "again": answer(kind).run_sync("And now?", message_history=text.all_messages()).output,
        "weather": type(weather.output).__name__,
        "streamed": asyncio.run(streamed(kind)),
    }
print(json.dumps(found))
"""


def run_script(source: str, folder: Path, env: dict[str, str]) -> Any:
    """Run a program in a process and folder of its own, and return the JSON that it prints."""
    file = folder / "client.py"
    file.write_text(source)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", file], capture_output=True, text=True, env=env, cwd=folder, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def env(home: Variables, instance: Variables, tmp_path: Path) -> Variables:
    return {**home, **instance, "HOME": str(tmp_path), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}


def test_litellm(env: Variables, tmp_path: Path) -> None:
    found = run_script(LITELLM, tmp_path, env)
    assert found["whole"].startswith(ANSWER)
    assert found["whole"] == found["streamed"] == found["later"] == found["responded"]
    assert found["usage"][0] == found["usage"][1]
    assert found["sizes"] == [1536, 1536]
    assert found["refused"] == "BadRequestError"


@pytest.mark.parametrize("flags", [(), ("--no-stream",), ("--system", "Be brief."), ("-m", "gpt-4o-mini")])
def test_the_llm_command_line(env: Variables, tmp_path: Path, flags: tuple[str, ...]) -> None:
    command = [str(Path(sys.executable).parent / "llm"), "Say hello.", *flags]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(ANSWER)


def test_pydantic_ai_answers_streams_calls_tools_and_parses(env: Variables, tmp_path: Path) -> None:
    for kind, found in run_script(AGENT, tmp_path, env).items():
        assert found["text"].startswith(ANSWER), kind
        assert found["again"].startswith(ANSWER)
        assert found["text"] != found["again"]
        assert found["weather"] == "Weather"
        assert found["streamed"] == found["text"]
