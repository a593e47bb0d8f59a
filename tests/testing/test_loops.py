"""The fixture in tests that are coroutines: with pytest-asyncio in both of its modes, and with anyio on both loops."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.environments import python_with

pytestmark = pytest.mark.slow(
    "providers/theoryctl_providers/testing/*.py", "tests/testing/*.py", "tests/clients/asyncio.*"
)

ASKING = """
import openai, pytest

FOUR = {"rules": [{"answers": [{"text": "four"}]}]}
ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "2+2"}]}

async def said(client):
    answer = await client.chat.completions.create(**ASK)
    return answer.choices[0].message.content
"""

#: MARK and FIXTURE are those that the mode wants.
ASYNCIO = (
    ASKING
    + """
import asyncio, pytest_asyncio

@FIXTURE
async def client():
    async with openai.AsyncOpenAI(max_retries=0) as client:
        yield client

@MARK
@pytest.mark.theoryctl(script=FOUR)
async def test_a_client_of_a_fixture(client, theoryctl):
    assert await asyncio.gather(*[said(client) for _ in range(8)]) == ["four"] * 8
    assert len(theoryctl.requests) == 8

@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.theoryctl(script=FOUR)
@pytest.mark.parametrize("number", range(3))
async def test_in_one_loop_of_many_tests(theoryctl, number):
    async with openai.AsyncOpenAI(max_retries=0) as client:
        assert await said(client) == "four"
    assert len(theoryctl.requests) == 1

@MARK
@pytest.mark.theoryctl(offline=True)
async def test_refused():
    async with openai.AsyncOpenAI(base_url="https://api.openai.com/v1", api_key="sk-x") as client:
        await said(client)

@MARK
@pytest.mark.theoryctl(script={**FOUR, "strict": True})
async def test_strict(): pass

@MARK
@pytest.mark.theoryctl(script=FOUR)
async def test_idle(): pass
"""
)

ANYIO = (
    ASKING
    + """
import anyio

pytestmark = pytest.mark.anyio

@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param

@pytest.fixture
async def client():
    async with openai.AsyncOpenAI(max_retries=0) as client:
        yield client

@pytest.mark.theoryctl(script=FOUR, offline=True)
async def test_a_client_of_a_fixture(client, theoryctl):
    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(said, client)
    assert len(theoryctl.requests) == 4
"""
)


def ran(folder: Path, text: str, *options: str) -> str:
    """Run tests by this Python with pytest-asyncio and trio beside its packages; what pytest says."""
    python = python_with("asyncio")
    (beside,) = python.parents[1].glob("lib/python*/site-packages")
    (folder / "test_it.py").write_text(text)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--strict-markers",
        *options,
        "test_it.py",
    ]
    environment = {**os.environ, "PYTHONPATH": str(beside)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200)
    return done.stdout + done.stderr


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_a_coroutine_of_pytest_asyncio_has_the_fixture(tmp_path: Path, mode: str) -> None:
    is_strict = mode == "strict"
    mark, fixture = ("@pytest.mark.asyncio", "pytest_asyncio.fixture") if is_strict else ("", "pytest.fixture")
    settings = ("-o", f"asyncio_mode={mode}", "-o", "asyncio_default_fixture_loop_scope=function")
    shown = ran(tmp_path, ASYNCIO.replace("@MARK", mark).replace("FIXTURE", fixture), *settings)
    assert "1 failed, 6 passed, 1 warning, 1 error" in shown, shown
    for told in ("api.openai.com:443 was refused", "got none of rule 1", "theoryctl was asked nothing"):
        assert told in shown, shown


def test_a_coroutine_of_anyio_has_the_fixture_on_asyncio_and_on_trio(tmp_path: Path) -> None:
    shown = ran(tmp_path, ANYIO, "-p", "no:asyncio")
    assert "2 passed" in shown, shown
