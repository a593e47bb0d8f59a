"""Memory of a server after many requests: on either wire, streamed and whole, with clients that vanish among them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import cycle, islice

from tests.bench.server import CONFIG, TOKEN, Kind, Started, started

CONNECTIONS = 8
#: Seconds after which a client that vanishes does so.
IMPATIENCE = 0.003
#: Seconds that a server has to forget the last of them.
SETTLING = 0.5

_ASK = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}]}


def grown(secrets: Mapping[str, str] | None, first: int, more: int) -> float:
    """The MiB that a server grows by in `more` requests after the `first`.

    It asks the vendor to which `secrets` lead; without them it is a mock.
    """
    config = CONFIG
    if secrets is not None:
        config = replace(CONFIG, provider=replace(CONFIG.provider, mode="real", secrets=secrets))
    kind = Kind("hold", ("theoryctl_providers", "--port", "0", "--ready-fd"), config.dump(), "/v1/run")
    with started(kind) as server:
        before = _after(server, first)
        return _after(server, more) - before


def _after(server: Started, requests: int) -> float:
    asyncio.run(_load(server.port, requests))
    return float(server.process.memory_info().rss / 2**20)


async def _load(port: int, count: int) -> None:
    """Send requests of all kinds in turn, on connections of their own."""
    left = islice(cycle(_requests()), count)

    async def work() -> None:
        for request, vanishes in left:
            await _ask(port, request, vanishes)

    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    await asyncio.sleep(SETTLING)


async def _ask(port: int, request: bytes, vanishes: bool) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    if vanishes:
        await asyncio.sleep(IMPATIENCE)
        writer.transport.abort()
        return
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    writer.close()


def _requests() -> Iterator[tuple[bytes, bool]]:
    """Each kind of request, three times to its end and once by a client that vanishes."""
    for vanishes in (False, False, False, True):
        for streamed in (False, True):
            yield _request("/v1/run", {"inputs": _ASK}, streamed), vanishes
            yield _request("/v1/chat/completions", {**_ASK, "stream": streamed}, streamed), vanishes


def _request(path: str, body: object, streamed: bool) -> bytes:
    data = json.dumps(body)
    accept = "text/event-stream" if streamed else "application/json"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nAccept: {accept}\r\n"
    return f"{head}Connection: close\r\nContent-Length: {len(data)}\r\n\r\n{data}".encode()
