"""A provider's code that would end the program: the server goes on."""

from __future__ import annotations

import os
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
