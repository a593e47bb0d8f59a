"""A provider's code that would end the program: the server goes on, or says why it does not start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.providers.started import CONFIG, Start
from theoryctl_providers.contract import ProviderConfig

CODE = """\
import asyncio
from theoryctl_providers import Finish, LLMProvider

async def ends():
    raise SystemExit(0)

class Tasks(LLMProvider):
    async def stream(self, request):
        await asyncio.create_task(ends())
        yield Finish()

class Never(LLMProvider):
    def __init__(self):
        raise SystemExit(0)

    async def stream(self, request):
        yield Finish()

class Unready(LLMProvider):
    def prepare(self, mode):
        raise SystemExit(0)

    async def stream(self, request):
        yield Finish()

class Unruly(LLMProvider):
    @property
    def loads(self):
        raise ValueError("x")

    async def stream(self, request):
        yield Finish()
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """The path of imports with the module `acme_strays`."""
    (tmp_path / "acme_strays.py").write_text(CODE)
    return os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))


def test_a_task_of_the_class_that_would_end_the_server_ends_its_request_alone(start: Start, path: str) -> None:
    server = start(replace(CONFIG, provider=ProviderConfig(provider="acme_strays:Tasks")), env={"PYTHONPATH": path})
    for _ in range(2):
        answer = server.run()
        assert (answer.status, answer.error["code"]) == (500, "ERR_PROVIDER")
        assert "acme_strays:Tasks failed with SystemExit: 0" in answer.error["message"]
    assert server.stop() == 0


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ("Never", "acme_strays:Never() failed with SystemExit: 0; expected a provider"),
        ("Unready", "acme_strays:Unready.prepare failed with SystemExit: 0; expected a ProviderError"),
        ("Unruly", "acme_strays:Unruly.loads: expected a text, got ValueError: x"),
    ],
)
def test_a_server_that_its_provider_would_end_says_why_it_does_not_start(made: str, told: str, path: str) -> None:
    config = replace(CONFIG, provider=ProviderConfig(provider=f"acme_strays:{made}"))
    command = [sys.executable, "-m", "theoryctl_providers", "--port", "0"]
    env = {**os.environ, "PYTHONPATH": path}
    ended = subprocess.run(command, input=config.dump(), capture_output=True, env=env, timeout=60)
    assert ended.returncode == 2
    document = json.loads(ended.stderr.splitlines()[-1])
    assert (document["code"], told in document["message"]) == ("ERR_PROVIDER", True)
