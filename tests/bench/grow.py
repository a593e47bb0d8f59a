"""Memory of a server after many requests: on either wire, streamed and whole, with clients that vanish among them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle, islice
from typing import NamedTuple

from tests.bench.server import CONFIG, TOKEN, Kind, Started, started

CONNECTIONS = 8
#: Seconds after which a client that vanishes does so.
IMPATIENCE = 0.003
#: Seconds that a server has to forget the last of them.
SETTLING = 0.5
#: Seconds that a request may take on the average, on a machine that others use too; a load that takes longer fails.
PATIENCE = 0.2

_ASK = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}]}


class Traffic(NamedTuple):
    """One kind of request: its path, whether it is streamed, and whether its client vanishes before the answer ends."""

    path: str
    streamed: bool
    vanishes: bool

    @property
    def name(self) -> str:
        """The kind in words."""
        return f"{self.path} {'streamed' if self.streamed else 'whole'}{', vanishing' * self.vanishes}"

    @property
    def request(self) -> bytes:
        """The bytes that are sent."""
        if self.path == "/v1/run":
            return _request(self.path, {"inputs": _ASK}, self.streamed)
        return _request(self.path, {**_ASK, "stream": self.streamed}, self.streamed)


KINDS = [
    Traffic(path, streamed, vanishes)
    for vanishes in (False, True)
    for streamed in (False, True)
    for path in ("/v1/run", "/v1/chat/completions")
]
#: Each kind, three times to its end for once by a client that vanishes.
MIXED = [*KINDS[:4] * 3, *KINDS[4:]]


def grown(secrets: Mapping[str, str] | None, first: int, more: int, kinds: Sequence[Traffic] = MIXED) -> float:
    """The MiB that a server grows by in `more` requests of these kinds after the `first`, which are of all kinds.

    It asks the vendor to which `secrets` lead; without them it is a mock.
    """
    with _serving(secrets) as server:
        before = _after(server, first, MIXED)
        return _after(server, more, kinds) - before


def grown_by_kind(secrets: Mapping[str, str] | None, first: int, more: int) -> Iterator[tuple[str, float]]:
    """Give the name of each kind, and the MiB that one server grew by in `more` requests of it, one after the other.

    The `first` requests are of all kinds, so that what a kind loads counts for none.
    """
    with _serving(secrets) as server:
        size = _after(server, first, MIXED)
        for kind in KINDS:
            before, size = size, _after(server, more, [kind])
            yield kind.name, size - before


@contextmanager
def _serving(secrets: Mapping[str, str] | None) -> Iterator[Started]:
    config = CONFIG
    if secrets is not None:
        config = replace(CONFIG, provider=replace(CONFIG.provider, mode="real", secrets=secrets))
    with started(
        Kind("hold", ("theoryctl_providers", "--port", "0", "--ready-fd"), config.dump(), "/v1/run")
    ) as server:
        yield server


def _after(server: Started, requests: int, kinds: Sequence[Traffic]) -> float:
    asyncio.run(_load(server.port, requests, kinds))
    return float(server.process.memory_info().rss / 2**20)


async def _load(port: int, count: int, kinds: Sequence[Traffic]) -> None:
    """Send requests of these kinds in turn, on connections of their own. Raises TimeoutError beyond `PATIENCE`."""
    left = islice(cycle((kind.request, kind.vanishes) for kind in kinds), count)

    async def work() -> None:
        for request, vanishes in left:
            await _ask(port, request, vanishes)

    async with asyncio.timeout(10 + count * PATIENCE):
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


def _request(path: str, body: object, streamed: bool) -> bytes:
    data = json.dumps(body)
    accept = "text/event-stream" if streamed else "application/json"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nAccept: {accept}\r\n"
    return f"{head}Connection: close\r\nContent-Length: {len(data)}\r\n\r\n{data}".encode()
