"""A server that is told nothing but its token: mocks alone, as a CI's `services:` and compose run the image."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.conftest import REF, Cli
from tests.providers.started import ASK, CANARY, TOKEN, Server

COMMAND = [sys.executable, "-m", "theoryctl_providers", "--port", "0"]


@contextmanager
def told_by(environment: dict[str, str], folder: Path) -> Iterator[Server]:
    """A server whose standard input is empty."""
    reader, writer = os.pipe()
    log = folder / "server.log"
    with log.open("wb") as stderr, open(os.devnull, "rb") as empty:
        process = subprocess.Popen(
            [*COMMAND, "--ready-fd", str(writer)],
            stdin=empty,
            stderr=stderr,
            pass_fds=[writer],
            env={**os.environ, **environment},
        )
    os.close(writer)
    try:
        with os.fdopen(reader) as ready:
            port = ready.readline()
        assert port, log.read_text()
        yield Server(process, int(port), log)
    finally:
        process.kill()
        process.wait()


def test_a_token_alone_serves_the_same_mocks_and_refuses_real_requests(cli: Cli, tmp_path: Path) -> None:
    with told_by({"THEORYCTL_TOKEN": TOKEN, "OPENAI_API_KEY": CANARY, "THEORYCTL_MODE": "real"}, tmp_path) as server:
        here = cli("local", "run", "--ref", REF, "--json", "--inputs-json", json.dumps(ASK)).document
        there = server.run().document
        assert (there["mode"], there["outputs"], there["ref"]) == ("mock", here["outputs"], REF)
        assert (there["runtime"], there["meta"]["secrets_present"]) == ("process", [])
        refused = server.run({"inputs": ASK, "mode": "real"})
        assert (refused.status, refused.error["code"]) == (400, "ERR_UNSUPPORTED_PARAM")
        assert server.run(token="another-token-0123456789abcdefghij").status == 401
        assert server.ask("GET", "/healthz", token=None).document["ready"] is True
        # Nothing that runs in the server finds the token there again, and no line of the log holds it.
        assert TOKEN not in server.log.read_text() and CANARY not in server.log.read_text()
        assert server.stop() == 0


@pytest.mark.parametrize("token", ["short", "x" * 31, "with a space " * 4, "é" * 40])
def test_a_token_that_is_too_short_or_no_token_is_no_server(token: str) -> None:
    done = subprocess.run(
        COMMAND, input=b"", capture_output=True, timeout=30, env={**os.environ, "THEORYCTL_TOKEN": token}
    )
    assert done.returncode == 2
    said = json.loads(done.stderr)
    assert said["code"] == "ERR_INPUTS" and "THEORYCTL_TOKEN: expected 32 or more" in said["message"]
    assert token not in done.stderr.decode()


def test_a_terminal_is_no_document() -> None:
    with closing(os.fdopen(os.openpty()[1], "rb", buffering=0)) as terminal:
        done = subprocess.run(
            COMMAND, stdin=terminal, capture_output=True, timeout=30, env={**os.environ, "THEORYCTL_TOKEN": "short"}
        )
    assert (done.returncode, json.loads(done.stderr)["code"]) == (2, "ERR_INPUTS")


def test_a_started_process_is_never_given_the_token_of_its_clients(theoryctl: Cli) -> None:
    # One whose start was killed before it could tell the document would else stay for ever.
    started = theoryctl(
        "local", "start", "--ref", REF, "--runtime", "process", "--json", env={"THEORYCTL_TOKEN": "f" * 40}
    )
    try:
        environment = Path(f"/proc/{started.document['pid']}/environ").read_bytes()
        assert b"THEORYCTL_TOKEN" not in environment and b"f" * 40 not in environment
    finally:
        theoryctl("local", "stop", "--all")
