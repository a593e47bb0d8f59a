"""A user's own files against the package's types: both checkers in their strictest mode find nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pages import blocks
from theoryctl.actions.new_provider import new_provider
from theoryctl.refs import ProviderRef

BIN = Path(sys.executable).parent

#: Every public function, with what a caller knows of its result.
CALLER = """
import asyncio
from collections.abc import Mapping
from typing import Literal, assert_type

from theoryctl_providers import (
    Envelope, Event, LLMProvider, Mode, ProviderError, Result, Script, arun, astream, default_models, execute,
    get_llm_provider, is_mock, resolve_mode, run, stream,
)

inputs: Mapping[str, object] = {"messages": []}
envelope = run(inputs, provider="litellm", mode="mock", timeout=3, script=None, secrets={"KEY": "value"})
assert_type(envelope, Envelope)
assert_type(envelope["status"], Literal["success", "error"])
assert_type(envelope["outputs"][0].get("text"), str | None)
assert_type(envelope["usage"]["cost_usd"], float | None)
for event in stream(inputs, mode=resolve_mode(inputs)):
    assert_type(event, Event)
    if isinstance(event, Result):
        assert_type(event.envelope, Envelope)


async def main() -> Mode | None:
    assert_type(await arun(inputs), Envelope)
    async for event in astream(inputs):
        assert_type(event, Event)
    return envelope["mode"]


provider: LLMProvider = get_llm_provider("mock")
names: dict[str, str] = default_models
print(asyncio.run(main()), is_mock("mock"), Script, execute, ProviderError("ERR_INPUTS", "x").retry_after)
"""

#: What a type checker must find: a misspelt argument, a misspelt key.
WRONG = """
from theoryctl_providers import run
run({}, provdier="mock")
print(run({})["output"])
"""


def mypy(folder: Path) -> subprocess.CompletedProcess[str]:
    # A cache of its own: that of the checkout knows the package as a part of it.
    command: list[str | Path] = [BIN / "mypy", "--strict", "--config-file=", f"--cache-dir={folder}/cache", "."]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def pyright(folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict"}))
    command: list[str | Path] = [BIN / "basedpyright", "--pythonpath", sys.executable, "."]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


Check = Callable[[Path], "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize("check", [mypy, pyright])
def test_what_the_documents_show_and_the_scaffold_writes_is_typed(check: Check, tmp_path: Path) -> None:
    pages = ("README.md", "docs/python.md", "docs/providers.md")
    shown = [block for page in pages for block in blocks(page, "python")]
    for number, text in enumerate([*shown, CALLER]):
        (tmp_path / f"file_{number}.py").write_text(text)
    new_provider(ProviderRef.parse("acme/echo@1"), str(tmp_path / "manifests"))
    (tmp_path / "acme_echo/src/acme_echo/__init__.py").rename(tmp_path / "acme_echo_provider.py")
    (tmp_path / "acme_echo/tests/test_acme_echo.py").rename(tmp_path / "test_acme_echo.py")
    done = check(tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("check", [mypy, pyright])
def test_a_checker_finds_a_misspelt_argument_and_a_misspelt_key(check: Check, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG)
    done = check(tmp_path)
    assert done.returncode == 1
    assert "provdier" in done.stdout and "output" in done.stdout
