"""Cost of a mock `POST /v1/run` in a started provider, against a bare echo on the same HTTP stack; medians of rounds.

`make bench` compiles the bytecode first. Times here are noisy, so the ratio to the peer of the same run says more than
the absolute goals, which are those a user was promised.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from theoryctl_providers.contract import ProviderConfig, ServerConfig

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 5
WARMUP, REQUESTS = 500, 5000
CONNECTIONS = (1, 8)
#: Seconds a server may take to come up, or a load to be answered, before the benchmark gives up.
PATIENCE = 30.0

TOKEN = "token-of-this-bench-0123456789abcdef"
CONFIG = ServerConfig(provider=ProviderConfig(provider="litellm", ref="llm/litellm@1", runtime="process"), token=TOKEN)
BODY = '{"inputs": {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}]}}'
HEADERS = f"Host: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}"


@dataclass(frozen=True)
class Kind:
    """A server to measure: its command without the file descriptor it tells its port on, and what it is asked."""

    name: str
    command: tuple[str, ...]
    stdin: bytes
    path: str

    @property
    def request(self) -> str:
        return f"POST {self.path} HTTP/1.1\r\n{HEADERS}\r\n\r\n{BODY}"


RUN = Kind("/v1/run", ("theoryctl_providers", "--port", "0", "--ready-fd"), CONFIG.dump(), "/v1/run")
ECHO = Kind("echo", ("tests.bench.echo",), b"", "/echo")
KINDS = (RUN, ECHO)


@dataclass(frozen=True)
class Measure:
    """A line of the table: a name, and the most `/v1/run` may have of it."""

    name: str
    goal: float | None = None
    #: The same as a multiple of the bare server's in this run, for a machine that is slower today than another day.
    ratio: float | None = None


#: 0.13 ms beside a bare server's 0.045, where the bar was set.
CPU = {1: Measure("CPU ms a request, 1 connection"), 8: Measure("CPU ms a request, 8 connections", ratio=2.9)}
RATE = {1: Measure("requests a second, 1 connection"), 8: Measure("requests a second, 8 connections")}
RSS = Measure("RSS idle, MiB", 60.0)
READY = Measure("spawn to /healthz, s", 1.0)
LINES = (*CPU.values(), *RATE.values(), RSS, READY)


@dataclass(frozen=True)
class Started:
    """A server that has answered /healthz."""

    kind: Kind
    process: psutil.Process
    port: int
    ready_seconds: float
    idle_bytes: int

    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system


@dataclass
class Found:
    """The values of every round, and the requests that were not answered with 200."""

    values: defaultdict[tuple[Measure, Kind], list[float]]
    failed: dict[Kind, int]

    def median(self, measure: Measure, kind: Kind) -> float:
        return median(self.values[measure, kind])


@contextmanager
def started(kind: Kind) -> Iterator[Started]:
    """Start a server, and end it. Raises RuntimeError with its log when it does not come up."""
    # A file, as `local start` gives it: its line a request is part of what a request costs.
    with tempfile.TemporaryFile() as log:
        reader, writer = os.pipe()
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", *kind.command, str(writer)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stderr=log,
            pass_fds=[writer],
        )
        try:
            os.close(writer)
            _tell(process, kind.stdin)
            port = _port(reader)
            if port is None:
                log.seek(0)
                raise RuntimeError(f"{kind.name} did not start: {log.read().decode(errors='replace')}")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=PATIENCE) as answer:
                answer.read()
            seconds = time.perf_counter() - start
            watched = psutil.Process(process.pid)
            yield Started(kind, watched, port, seconds, watched.memory_info().rss)
        finally:
            os.close(reader)
            _end(process)


def _tell(process: subprocess.Popen[bytes], text: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(text)
    process.stdin.close()


def _port(reader: int) -> int | None:
    ready, _, _ = select.select([reader], [], [], PATIENCE)
    line = os.read(reader, 16) if ready else b""
    return int(line) if line else None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def load(port: int, request: str, connections: int, requests: int) -> tuple[int, float]:
    """Have another process send requests: how many were answered with 200, and in how many seconds."""
    told = {"port": port, "request": request, "connections": connections, "requests": requests}
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load"],
        cwd=ROOT,
        input=json.dumps(told).encode(),
        stdout=subprocess.PIPE,
        timeout=PATIENCE,
        check=True,
    )
    result = json.loads(done.stdout)
    return result["good"], result["seconds"]


def measure(server: Started, connections: int, found: Found) -> None:
    """Warm up, then load, and note what it cost."""
    warm, _ = load(server.port, server.kind.request, connections, WARMUP)
    before = server.cpu_seconds()
    good, seconds = load(server.port, server.kind.request, connections, REQUESTS)
    spent = server.cpu_seconds() - before
    found.failed[server.kind] += WARMUP + REQUESTS - warm - good
    # With none answered there is no cost of one; that it failed is said anyway.
    found.values[CPU[connections], server.kind].append(spent * 1000 / max(good, 1))
    found.values[RATE[connections], server.kind].append(good / seconds)


def measure_round(kinds: tuple[Kind, ...], found: Found) -> None:
    """Start the servers anew and load them in turn, so that what slows the machine meets both."""
    with ExitStack() as stack:
        servers = [stack.enter_context(started(kind)) for kind in kinds]
        for server in servers:
            found.values[RSS, server.kind].append(server.idle_bytes / 2**20)
            found.values[READY, server.kind].append(server.ready_seconds)
        for connections in CONNECTIONS:
            for server in servers:
                measure(server, connections, found)


def main() -> int:
    """Print the table; 1 when a goal is missed or a request failed."""
    # As Ctrl-C does: an exception, so that no server is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    found = Found(defaultdict(list), dict.fromkeys(KINDS, 0))
    for turn in range(ROUNDS):
        measure_round(KINDS if turn % 2 else KINDS[::-1], found)
    print(f"{'':34}{RUN.name:>9}{ECHO.name:>9}   ratio  goal")
    over = [_report(line, found.median(line, RUN), found.median(line, ECHO)) for line in LINES]
    asked = ROUNDS * len(CONNECTIONS) * (WARMUP + REQUESTS)
    failed = any(found.failed.values())
    counts = f"{found.failed[RUN]:9}{found.failed[ECHO]:9}"
    print(f"{f'not answered with 200, of {asked}':34}{counts}         <= 0{'  OVER' if failed else ''}")
    return 1 if failed or any(over) else 0


def _report(line: Measure, run: float, echo: float) -> bool:
    found, goal = (run, line.goal) if line.ratio is None else (run / echo, line.ratio)
    over = goal is not None and found > goal
    ratio = f"{run / echo:8.2f}" if echo else f"{'-':>8}"
    limit = "" if goal is None else f"  <= {goal:g}{' x' if line.ratio else ''}"
    print(f"{line.name:34}{_number(run):>9}{_number(echo):>9}{ratio}{limit}{'  OVER' if over else ''}")
    return over


def _number(value: float) -> str:
    digits = 3 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
