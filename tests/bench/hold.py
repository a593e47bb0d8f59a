"""Holds many streams open at once: none may lose a piece, memory may not grow, and who vanishes leaves nothing behind.
Then sends many requests, to a mock and to a server that asks a vendor: neither may grow.

python -m tests.bench.hold 60        # seconds; default 60
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil

from tests.bench.grow import KINDS, grown_by_kind
from tests.bench.server import CONFIG, ROOT, TOKEN
from tests.bench.slow import PAUSE
from tests.bench.vendor import vendor

STREAMS = 200
#: MiB that the server may grow by, from when all streams have begun to their end.
GROWTH = 20.0
#: Seconds after which the call of a client that has vanished must have ended.
PROMPTLY = 5.0
#: Requests of all kinds after which memory is first measured, those after it, shared by the kinds, and the MiB that
#: these may add.
FIRST, MORE, LEFT = 1_000, 9_000, 10.0

SLOW = replace(CONFIG, provider=replace(CONFIG.provider, provider="tests.bench.slow:Slow"))


def request(pieces: int) -> bytes:
    """A streamed chat completion of so many pieces."""
    ask = {"model": "m", "messages": [{"role": "user", "content": str(pieces)}], "stream": True}
    body = json.dumps(ask)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


async def stream(port: int, pieces: int) -> list[str]:
    """The pieces of a stream."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(pieces))
    said = []
    async for line in reader:
        if line.startswith(b"data: {"):
            choice = json.loads(line[6:])["choices"][0]
            said.append(choice["delta"].get("content") or "")
    writer.close()
    return [piece for piece in said if piece]


async def vanish(port: int) -> None:
    """Ask for much, read a little, and hang up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(10_000))
    await reader.readuntil(b"data: ")
    writer.transport.abort()


async def hold(server: psutil.Process, port: int, seconds: float) -> tuple[int, float]:
    """Streams that were whole, and the MiB that the server grew by meanwhile."""
    pieces = int(seconds / PAUSE)
    streams = [asyncio.create_task(stream(port, pieces)) for _ in range(STREAMS)]
    await asyncio.sleep(min(5.0, seconds / 2))
    before = server.memory_info().rss
    expected = [f"{number} " for number in range(pieces)]
    whole = sum(said == expected for said in await asyncio.gather(*streams))
    return whole, (server.memory_info().rss - before) / 2**20


async def desert(port: int, log: Path) -> float:
    """Seconds until the calls of clients that have vanished were all given up; infinity where some were not."""
    await asyncio.gather(*(vanish(port) for _ in range(STREAMS)))
    began = time.monotonic()
    while time.monotonic() - began < PROMPTLY:
        if log.read_text().count('"status": 499') == STREAMS:
            return time.monotonic() - began
        await asyncio.sleep(0.05)
    return float("inf")


@contextmanager
def serving(log: Path) -> Iterator[tuple[psutil.Process, int]]:
    """The slow provider's server and its port; it is ended."""
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "theoryctl_providers", "--port", "0", "--ready-fd", str(writer)]
    with log.open("wb") as stderr, os.fdopen(reader) as ready:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stderr=stderr, pass_fds=[writer])
        try:
            os.close(writer)
            assert process.stdin is not None
            process.stdin.write(SLOW.dump())
            process.stdin.close()
            yield psutil.Process(process.pid), int(ready.readline())
        finally:
            process.kill()
            process.wait()


def main() -> int:
    """Print what was found; 1 when a goal is missed."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "log") as (server, port):
        whole, growth = asyncio.run(asyncio.wait_for(hold(server, port, seconds), seconds * 2 + 30))
        given_up = asyncio.run(desert(port, Path(folder) / "log"))
    print(f"{whole:8} of {STREAMS} streams of {seconds:g} s were whole")
    print(f"{growth:8.1f} MiB grown (<= {GROWTH:g})")
    print(f"{given_up:8.1f} s until {STREAMS} clients that had vanished were forgotten (<= {PROMPTLY:g})")
    with vendor() as secrets:
        left = max(_left("mock", None), _left("real", secrets))
    return int(whole < STREAMS or growth > GROWTH or given_up > PROMPTLY or left > LEFT)


def _left(mode: str, secrets: Mapping[str, str] | None) -> float:
    """Print the MiB that a server grows by with each kind of request; their sum."""
    each, left = MORE // len(KINDS), 0.0
    for name, size in grown_by_kind(secrets, FIRST, each):
        left += size
        print(f"{size:8.1f} MiB grown by {each} {mode} requests, {name}", flush=True)
    print(f"{left:8.1f} MiB grown by all {MORE} after the first {FIRST} (<= {LEFT:g})", flush=True)
    return left


if __name__ == "__main__":
    sys.exit(main())
