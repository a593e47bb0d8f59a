"""Clients for Node, as they come, in the Node that the tests bring: OpenAI's and Anthropic's own, and the AI SDK."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.conftest import ISOLATED
from tests.clients.environments import NODE, node_with
from tests.conftest import _FOREIGN
from tests.providers.started import TOKEN, serving
from tests.wires.conftest import scripted
from theoryctl_providers.contract.clients import client_variables

EACH_ONCE = [["add", 2, 40], ["weather", "Turin"]]


@pytest.fixture(scope="module")
def led() -> Iterator[dict[str, str]]:
    """The environment of a client of a mock that calls each tool."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    with serving(scripted({"tools": "each"})) as (port, _):
        yield {**clean, **ISOLATED, **client_variables(f"http://127.0.0.1:{port}", TOKEN)}


def run_program(name: str, env: dict[str, str]) -> Any:
    """The JSON that a program of the folder `node` prints."""
    command = [NODE, node_with("node") / name]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_openais_client_for_node_gets_the_same_answer_in_every_way(led: dict[str, str]) -> None:
    found = run_program("openai.mjs", led)
    assert found["whole"].startswith("Mock answer")
    assert found["whole"] == found["streamed"] == found["response"] == found["pieces"]
    assert (found["called"], found["parsed"]) == (["weather"], {"city": "mock city"})
    assert found["sizes"] == [1536, 1536]
    assert found["models"] == ["openai/gpt-4o-mini"]
    assert found["refused"] == [True, 400, "temperature"]


def test_anthropics_client_for_node_and_its_agent_are_led_by_the_environment(led: dict[str, str]) -> None:
    found = run_program("anthropic.mjs", led)
    assert found["whole"].startswith("Mock answer")
    assert found["whole"] == found["streamed"]
    assert found["counted"][0] == found["counted"][1] > 0
    assert (found["ran"], found["ended"]) == (EACH_ONCE, "end_turn")


def test_an_agent_of_the_ai_sdk_runs_each_tool_once_and_ends(led: dict[str, str]) -> None:
    found = run_program("ai.mjs", led)
    for api in ("responses", "chat", "anthropic", "gemini"):
        said = found[api]
        assert (said["ran"], said["ended"]) == (EACH_ONCE, ["stop", 3]), api
        assert said["whole"] == said["streamed"], api
        assert said["whole"].startswith("Mock answer")
        assert (said["made"], said["usage"]) == ({"city": "mock city"}, "number"), api
    assert found["sizes"] == [1536, 1536]
