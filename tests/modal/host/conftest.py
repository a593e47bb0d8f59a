"""Fixtures of the tests of `theoryctl modal`: the command line, the tests' own Modal, and an image with providers."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.batch.rows import ask, write_lines
from tests.conftest import REF, ROOT, Cli, Ran
from tests.modal.host.images import image_with
from tests.modal.service import Modal

DIGEST = "sha256:" + "a" * 64
IMAGE = f"registry.test/theoryctl/llm@{DIGEST}"
APP = "main-alice-llm-litellm-v1"
#: The lines of a batch.
LINES = [ask(str(number)) for number in range(6)]
MINE = {"GIT_BRANCH": "main", "GIT_USER": "alice"}

#: Providers that an image may have, beside those of theoryctl.
PROVIDERS = """
import asyncio, os, signal, sys, time
from theoryctl_providers import LLMProvider
from theoryctl_providers.contract import Delta, Finish, Usage

class Acme(LLMProvider):
    async def stream(self, request):
        what = request.inputs["messages"][-1]["content"]
        for part in self.parts(request, what):
            yield Delta(text=part)
            await asyncio.sleep(0.05)
        yield Usage(1, 1, 0.0)
        yield Finish()

class Crash(Acme):
    # Dies before a part, a number of times: "part times file".
    def parts(self, request, what):
        part, times, file = what.split()
        with open(file, "a") as begun:
            begun.write("x")
        for number in range(20):
            if number == int(part) and os.path.getsize(file) <= int(times):
                os.kill(os.getpid(), signal.SIGKILL)
            yield f"{number} "

class Hang(Acme):
    def parts(self, request, what):
        yield "one "
        time.sleep(3600)

class Slow(Acme):
    def parts(self, request, what):
        for number in range(int(what) if what.isdigit() else 100):
            sys.stderr.write(f"part {number}\\n")
            yield f"{number} "
            time.sleep(0.02)

class Talks(Acme):
    # Writes a hundred lines at once.
    def parts(self, request, what):
        for number in range(100):
            sys.stderr.write(f"part {number}\\n")
        yield what

class Wait(LLMProvider):
    # Says the rest once there is a file.
    async def stream(self, request):
        yield Delta(text="one ")
        while not os.path.exists(request.inputs["messages"][-1]["content"]):
            await asyncio.sleep(0.02)
        yield Delta(text="two")
        yield Usage(1, 1, 0.0)
        yield Finish()

class Pause(Acme):
    def parts(self, request, what):
        time.sleep(0.45)
        yield what

class Raise(Acme):
    def parts(self, request, what):
        yield "one "
        raise ValueError("a bug of the provider's")

class Env(Acme):
    def parts(self, request, what):
        yield str(os.environ.get(what))

class Much(Acme):
    def parts(self, request, what):
        yield "0123456789abcdef" * (3 << 16)

class Files(Acme):
    def parts(self, request, what):
        import hashlib
        for file in request.attachments:
            yield f"{file.name} {hashlib.sha256(open(file.path, 'rb').read()).hexdigest()}\\n"
"""


@pytest.fixture(autouse=True)
def on_modal(modal: Modal, environment: dict[str, str]) -> None:
    """The tests' Modal in the environment of every command, on the branch main of alice."""
    for name in [name for name in environment if name.startswith(("MODAL_", "GIT_"))]:
        del environment[name]
    environment.update(modal.variables, **MINE)


@pytest.fixture
def start(cli: Cli) -> Callable[..., Ran]:
    """Deploy a ref from an image by its digest; it must succeed."""

    def run(ref: str = REF, *more: str, env: Mapping[str, str] | None = None) -> Ran:
        ran = cli("modal", "start", "--ref", ref, "--oci", IMAGE, *more, env=env)
        assert ran.status == 0, ran.err
        return ran

    return run


@pytest.fixture
def acme(modal: Modal, tmp_path: Path) -> Callable[..., str]:
    """The ref of a provider of PROVIDERS that the project has a manifest of, and the image the code."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "acme.py").write_text(textwrap.dedent(PROVIDERS))
    modal.image_python = image_with(tmp_path, site)

    def make(name: str, timeout: int = 120, secrets: str = "[]") -> str:
        ref = f"acme/{name.lower()}@1"
        file = tmp_path / "work" / "manifests" / f"{ref}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        text = (ROOT / "manifests/llm/mock@1.yaml").read_text()
        text = text.replace("ref: llm/mock@1", f"ref: {ref}").replace("provider: mock", f"provider: acme:{name}")
        text = text.replace("timeout: 30", f"timeout: {timeout}").replace("image:\n", f"secrets: {secrets}\nimage:\n")
        file.write_text(text)
        return ref

    return make


@pytest.fixture
def asked(cli: Cli) -> Callable[..., Ran]:
    """One run of a ref on Modal, with these words as inputs."""

    def run(ref: str, words: str = "x", *more: str, **options: object) -> Ran:
        return cli("modal", "run", "--ref", ref, "--prompt", words, *more, **options)

    return run


@pytest.fixture
def gone_at_the_end(modal: Modal) -> Iterator[None]:
    yield
    assert modal.containers() == []


@pytest.fixture
def work(working_folder: Path) -> Path:
    """The folder that commands run in, with LINES in `lines.jsonl`."""
    write_lines(working_folder / "lines.jsonl", LINES)
    return working_folder
