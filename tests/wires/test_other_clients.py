"""A client of many APIs, led by what `local env` says: LiteLLM on each wire."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.environments import python_with
from tests.conftest import _FOREIGN
from tests.providers.started import TOKEN
from tests.wires.conftest import Instance
from theoryctl_providers.contract.clients import client_variables

LITELLM = """\
import json, os, litellm

os.environ |= {
    "OLLAMA_API_BASE": os.environ["OLLAMA_HOST"],
    "AZURE_API_KEY": os.environ["AZURE_OPENAI_API_KEY"],
    "AZURE_API_BASE": os.environ["AZURE_OPENAI_ENDPOINT"],
    "AZURE_API_VERSION": os.environ["OPENAI_API_VERSION"],
    "GEMINI_API_BASE": os.environ["GOOGLE_GEMINI_BASE_URL"] + "/v1beta",
    "ANTHROPIC_API_BASE": os.environ["ANTHROPIC_BASE_URL"],
}
messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello."}]
function = {"name": "get_weather", "description": "w", "parameters": {"type": "object", "properties": {}}}
tools = [{"type": "function", "function": function}]
found = {}
for model in ("anthropic/claude-x", "ollama_chat/llama3.2", "azure/mine", "gemini/gemini-x"):
    more = {"max_tokens": 200, "num_retries": 0}
    whole = litellm.completion(model=model, messages=messages, **more)
    stream = litellm.completion(
        model=model, messages=messages, stream=True, stream_options={"include_usage": True}, **more
    )
    streamed = litellm.stream_chunk_builder(list(stream), messages=messages)
    choice = {} if "ollama" in model else {"tool_choice": "required"}
    called = litellm.completion(model=model, messages=messages, tools=tools, **choice, **more).choices[0].message
    try:
        litellm.completion(model=model, messages=messages, temperature=9, **more)
        refused = ""
    except litellm.BadRequestError as error:
        refused = type(error).__name__
    found[model] = {
        "whole": whole.choices[0].message.content,
        "streamed": streamed.choices[0].message.content,
        "usage": [whole.usage.prompt_tokens, streamed.usage.prompt_tokens],
        "called": [call.function.name for call in called.tool_calls or ()],
        "refused": refused,
    }
print(json.dumps(found))
"""


@pytest.fixture
def env(instance: Instance, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of somebody with nothing set but what `local env` says."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    told = {"HOME": str(tmp_path), "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "*"}
    yield {**clean, **told, **client_variables(instance.url, TOKEN)}


def run_script(source: str, folder: Path, env: dict[str, str]) -> Any:
    """Run a program in a process and folder of its own, and read what it prints as JSON."""
    command = [sys.executable, "-W", "ignore", "-c", source]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=folder, timeout=280)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow("providers/theoryctl_providers/wires/*", "requirements-dev.lock")
def test_litellm_on_every_wire(env: dict[str, str], tmp_path: Path) -> None:
    for model, found in run_script(LITELLM, tmp_path, env).items():
        assert found["whole"].startswith("Mock answer"), (model, found)
        assert found["whole"] == found["streamed"], model
        assert found["usage"][0] == found["usage"][1] > 0, model
        assert found["called"] == ([] if "ollama" in model else ["get_weather"]), model
        assert found["refused"] == "BadRequestError", (model, found)


#: Models of plugins of the `llm` command line. That of Gemini asks Google itself, whatever is set (llm_gemini.py).
LLM = {"llm_anthropic": "anthropic/claude-sonnet-4-5", "llm_ollama": "ollama/openai/gpt-4o-mini"}


@pytest.mark.slow("providers/theoryctl_providers/wires/*", "tests/clients/llm.*")
@pytest.mark.parametrize("plugin", LLM)
def test_the_llm_command_line_on_the_wire_of_a_plugin(plugin: str, env: dict[str, str], tmp_path: Path) -> None:
    llm = python_with("llm").with_name("llm")
    for flags in ((), ("--no-stream",)):
        command = [str(llm), "-m", LLM[plugin], "Say hello.", *flags]
        done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path, timeout=100)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("Mock answer") and LLM[plugin].removeprefix("ollama/") in done.stdout
