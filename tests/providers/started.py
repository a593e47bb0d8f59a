"""A started server process, and raw requests to it."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from tests.real.vendor import Vendor
from theoryctl_providers.contract import Limits, ProviderConfig, SecretRule, ServerConfig
from theoryctl_providers.lookup import get_llm_provider
from theoryctl_providers.server.app import DIALECTS, Dialects, make_app
from theoryctl_providers.server.gate import Gate
from theoryctl_providers.server.protocol import Protocol

TOKEN = "token-of-this-start-0123456789abcdef"
CANARY = "sk-canary-0123456789abcdef"
ASK = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}]}
BODY = json.dumps({"inputs": ASK}).encode()
CONFIG = ServerConfig(provider=ProviderConfig(provider="litellm", ref="llm/litellm@1", runtime="process"), token=TOKEN)


@dataclass
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.document["error"]


@dataclass
class Server:
    """A started server process."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def ask(self, method: str, path: str, body: Any = None, *, token: str | None = TOKEN, **headers: str) -> Answer:
        """One request on a connection of its own; header names are written with `_` for `-`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, path, body if isinstance(body, (bytes, type(None))) else json.dumps(body), sent)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())

    def run(self, document: Any = None, **options: Any) -> Answer:
        return self.ask("POST", "/v1/run", {"inputs": ASK} if document is None else document, **options)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=15)


Start = Callable[..., Server]


@contextmanager
def starting(folder: Path) -> Iterator[Start]:
    """Give a function that starts a server, with its log in a folder; all of them are killed at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(
        config: ServerConfig = CONFIG,
        *,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
        log_bytes: int | None = None,
    ) -> Server:
        reader, writer = os.pipe()
        log = log or folder / f"{len(started)}.log"
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

    try:
        yield begin
    finally:
        for process in started:
            process.kill()
            process.wait()


@contextmanager
def serving(
    config: ServerConfig = CONFIG, dialects: Dialects = DIALECTS, log: Callable[[str], None] = lambda line: None
) -> Iterator[tuple[int, Gate]]:
    """Serve in a thread of this process, which takes milliseconds; the port, and the gate to drain.

    Signals, a drain on them, and the log's file belong to a process: `starting` makes one.
    """
    gate = make_app(config, log, dialects)
    protocol: Any = partial(Protocol, head_bytes=2 * config.limits.headers)
    server = uvicorn.Server(uvicorn.Config(gate, port=0, http=protocol, lifespan="off", log_level="error", ws="none"))

    def serve() -> None:
        with asyncio.Runner() as runner:
            runner.run(server.serve())
            runner.run(get_llm_provider(config.provider.provider).aclose())

    thread = threading.Thread(target=serve)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield server.servers[0].sockets[0].getsockname()[1], gate
    finally:
        server.should_exit = True
        thread.join()


def limited(**limits: Any) -> ServerConfig:
    return replace(CONFIG, limits=Limits(**limits))


def real(vendor: Vendor, **more: Any) -> ServerConfig:
    secrets = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": f"{vendor.url}/v1"}
    rules = (SecretRule(name="OPENAI_API_KEY"), SecretRule(name="OPENAI_BASE_URL", required=False))
    provider = ProviderConfig(provider="litellm", runtime="process", mode="real", secrets=secrets, secret_rules=rules)
    return replace(CONFIG, provider=replace(provider, timeout=20.0), **more)


BOUNDARY = "b0undary"


def multipart(document: Any, *files: tuple[str, bytes]) -> bytes:
    parts = [("request", json.dumps(document).encode()), *files]
    lines = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in parts
    ]
    return b"".join(lines) + f"--{BOUNDARY}--\r\n".encode()


def entry(name: str, data: bytes) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return {"name": name, "media_type": "image/png", "size": len(data), "digest": digest}
