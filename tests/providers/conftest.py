"""Started servers for the tests of what one answers, and of its connections."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.providers.started import CONFIG, Server, Start
from theoryctl_providers.contract import ServerConfig


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def begin(
        config: ServerConfig = CONFIG,
        *,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
        log_bytes: int | None = None,
    ) -> Server:
        reader, writer = os.pipe()
        log = log or tmp_path / f"{len(started)}.log"
        command = [sys.executable, "-m", "theoryctl_providers", "--port", "0", "--ready-fd", str(writer)]
        if log_bytes is not None:
            command += ["--log-file", str(log), "--log-bytes", str(log_bytes)]
        with log.open("ab") as stderr:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stderr=stderr, pass_fds=[writer], env={**os.environ, **(env or {})}
            )
        started.append(process)
        os.close(writer)
        assert process.stdin is not None
        process.stdin.write(config.dump())
        process.stdin.close()
        with os.fdopen(reader) as ready:
            port = ready.readline()
        assert port, log.read_text()
        return Server(process, int(port), log)

    yield begin
    for process in started:
        process.kill()
        process.wait()
