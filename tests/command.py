"""The command line as a function: `main` in this process, with streams, environment and folder of its own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import IO, Any

from theoryctl.__main__ import main

_ALONE = Lock()

#: Variables that the loading of LiteLLM sets, once in a process. Without them it would ask the network later.
LITELLMS = {"LITELLM_LOCAL_MODEL_COST_MAP", "LITELLM_OFFLINE_MODE", "LITELLM_MODE", "TIKTOKEN_CACHE_DIR"}


@dataclass(frozen=True)
class Ran:
    """The output of a command, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Standard output, which must be exactly one JSON object on one line."""
        assert self.out.count("\n") == 1, self.out
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


def call(arguments: tuple[str, ...], env: Mapping[str, str], cwd: Path, stdin: str | bytes = "") -> Ran:
    """Run `main` as a process would that was started with `env`, in `cwd`, and given `stdin`.

    For one thread at a time, and without PYTHONPATH: there the fixture `theoryctl` starts a process.
    """
    assert _ALONE.acquire(blocking=False), "expected one call at a time: use the fixture theoryctl"
    try:
        with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
            given.write(stdin.encode() if isinstance(stdin, str) else stdin)
            given.seek(0)
            with _environment(env), chdir(cwd), _streams(given, out, err):
                status = main(list(arguments))
            return Ran(status, _written(out), _written(err))
    finally:
        _ALONE.release()


def _written(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


@contextmanager
def _environment(env: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    try:
        _become(env)
        yield
    finally:
        _become(before)


def _become(env: Mapping[str, str]) -> None:
    """Leave alone what does not change: reading the environment anew is most of what a call costs."""
    for name in os.environ.keys() - env.keys() - LITELLMS:
        del os.environ[name]
    for name, value in env.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


@contextmanager
def _streams(*files: IO[bytes]) -> Iterator[None]:
    """Make the files the standard streams, also by number: what is started inherits them."""
    before = (sys.stdin, sys.stdout, sys.stderr)
    with ExitStack() as undo:
        for number, file in enumerate(files):
            undo.enter_context(_descriptor(number, file))
        opened = [os.fdopen(number, mode, closefd=False) for number, mode in enumerate("rww")]
        try:
            sys.stdin, sys.stdout, sys.stderr = opened
            yield
        finally:
            for stream in (sys.stdout, sys.stderr, *opened):
                stream.close()
            sys.stdin, sys.stdout, sys.stderr = before


@contextmanager
def _descriptor(number: int, file: IO[bytes]) -> Iterator[None]:
    kept = os.dup(number)
    os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        os.dup2(kept, number)
        os.close(kept)
