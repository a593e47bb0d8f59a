"""What a mock request costs a started provider, next to a bare echo of the same server and toolkit, in the same run.

Process CPU of the server for each request, the memory it has before the first one, and the time until it answers. Both
are asked in turns, over connections that are kept; times here are noisy, so medians count, and first of all the ratio.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

from theoryctl_providers.contract import ProviderConfig, ServerConfig

CONNECTIONS = (1, 8)
REQUESTS, WARM_UP, ROUNDS = 2000, 300, 5
TOKEN = "token-of-the-benchmark"
CALL = json.dumps({"inputs": {"messages": [{"role": "user", "content": "Say hello."}]}}).encode()

#: What the server must not pass: CPU milliseconds a request at 8 connections, MiB when idle, seconds until ready.
MAX_CPU, MAX_MEMORY, MAX_READY = 0.5, 60.0, 1.0

#: The peer: the same server, loop and parser, and nothing but JSON in and JSON out.
ECHO = """
import sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def echo(request):
    return JSONResponse(await request.json())

async def health(request):
    return JSONResponse({"ready": True})

app = Starlette(routes=[Route("/v1/run", echo, methods=["POST"]), Route("/healthz", health)])
uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False, log_level="error")
"""
PROVIDER, PEER = "mock /v1/run", "starlette echo"


@dataclass
class Server:
    """A server process: its port, what it needed to get ready, and what each round cost it."""

    process: psutil.Popen
    port: int
    ready_seconds: float
    idle_mib: float
    cpu_ms: dict[int, list[float]] = field(default_factory=lambda: {count: [] for count in CONNECTIONS})
    per_second: dict[int, list[float]] = field(default_factory=lambda: {count: [] for count in CONNECTIONS})

    def measure(self, connections: int, load: ProcessPoolExecutor) -> None:
        before, start = self._cpu(), time.perf_counter()
        load.submit(ask, self.port, connections, REQUESTS).result()
        took = time.perf_counter() - start
        self.cpu_ms[connections].append((self._cpu() - before) / REQUESTS * 1000)
        self.per_second[connections].append(REQUESTS / took)

    def _cpu(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


def ask(port: int, connections: int, requests: int) -> None:
    """Send so many requests over so many connections. Raises RuntimeError for an answer that is no success."""
    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(_ask_in_a_row, [port] * connections, [requests // connections] * connections))


def _ask_in_a_row(port: int, requests: int) -> None:
    head = f"POST /v1/run HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
    message = f"{head}Content-Length: {len(CALL)}\r\n\r\n".encode() + CALL
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(requests):
            connection.sendall(message)
            _read_answer(connection)


def _read_answer(connection: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(1 << 16)
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(data.decode(errors="replace"))
    (length,) = (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    while len(body) < length:
        body += connection.recv(1 << 16)


@contextmanager
def started(command: list[str], port: int, told: bytes) -> Iterator[Server]:
    """A server that answers."""
    start = time.perf_counter()
    process = psutil.Popen([sys.executable, *command], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/")
    try:
        process.stdin.write(told)
        process.stdin.close()
        while not _answers(port):
            time.sleep(0.01)
        ready = time.perf_counter() - start
        yield Server(process, port, ready, process.memory_info().rss / 2**20)
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def main() -> int:
    """Print what both cost; 1 when the provider is over a limit."""
    config = ServerConfig(provider=ProviderConfig(provider="litellm", ref="llm/litellm@1"), token=TOKEN)
    one, other = _free_port(), _free_port()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with (
        started(["-m", "theoryctl_providers", "--port", str(one)], one, config.dump()) as provider,
        started(["-c", ECHO, str(other)], other, b"") as peer,
        ProcessPoolExecutor(1) as load,
    ):
        for server in (provider, peer):
            load.submit(ask, server.port, 8, WARM_UP).result()
        for _ in range(ROUNDS):
            for connections in CONNECTIONS:
                for server in (provider, peer):
                    server.measure(connections, load)
    return _report(provider, peer)


def _report(provider: Server, peer: Server) -> int:
    for connections in CONNECTIONS:
        for name, server in ((PROVIDER, provider), (PEER, peer)):
            cpu, rate = statistics.median(server.cpu_ms[connections]), statistics.median(server.per_second[connections])
            print(f"{cpu:6.3f} ms CPU a request, {rate:6.0f} a second  {name}, {connections} connections")
    ratio = statistics.median(provider.cpu_ms[8]) / statistics.median(peer.cpu_ms[8])
    print(f"{ratio:6.2f} x the echo's CPU at 8 connections")
    limits = (
        ("ms CPU a request at 8 connections", statistics.median(provider.cpu_ms[8]), MAX_CPU),
        (f"MiB when idle (the echo: {peer.idle_mib:.0f})", provider.idle_mib, MAX_MEMORY),
        (f"s until ready (the echo: {peer.ready_seconds:.2f})", provider.ready_seconds, MAX_READY),
    )
    for what, found, limit in limits:
        print(f"{found:6.2f} {what} (limit {limit:g}){'  OVER' if found > limit else ''}")
    return int(any(found > limit for _, found, limit in limits))


if __name__ == "__main__":
    sys.exit(main())
