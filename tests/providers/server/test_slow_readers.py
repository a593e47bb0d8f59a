"""Clients that ask for long streams and do not read them: an answer is made no faster than it is taken."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

import psutil
import pytest

from tests.providers.started import ASK, CONFIG, TOKEN, Server, Start
from theoryctl_providers.contract import Script, ServerConfig

CLIENTS = 30
#: MiB that the server may have, and seconds that `/healthz` may take meanwhile.
MEMORY, PROMPTLY = 100, 1.0
#: Bytes of one stream.
SIZE = 12 << 20

#: Path, body, and bytes of a stream for each word of the answer.
WIRES = {
    "run": ("/v1/run", {"inputs": ASK}, 54),
    "chat": ("/v1/chat/completions", {**ASK, "stream": True}, 220),
    "responses": ("/v1/responses", {"model": ASK["model"], "input": "Say much.", "stream": True}, 200),
}


def scripted(words: int) -> ServerConfig:
    """A mock that says so many words."""
    script = Script.load({"rules": [{"answers": [{"text": "abcdefg " * words}]}]})
    return replace(CONFIG, provider=replace(CONFIG.provider, script=script))


def request(path: str, body: object) -> bytes:
    data = json.dumps(body)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nAccept: text/event-stream\r\n"
    return f"{head}Connection: close\r\nContent-Length: {len(data)}\r\n\r\n{data}".encode()


@contextmanager
def silent_clients(server: Server, sent: bytes) -> Iterator[list[socket.socket]]:
    """Connections on which a request was sent, and nothing is read."""
    with ExitStack() as stack:
        clients = []
        for _ in range(CLIENTS):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20))
            client.sendall(sent)
            clients.append(client)
        yield clients


def watched(server: Server) -> tuple[float, float]:
    """The most MiB that the server had until it came to rest, and the longest that `/healthz` took."""
    process = psutil.Process(server.process.pid)
    most = longest = 0.0
    calm = 0
    while calm < 5:
        spent = process.cpu_times().user
        begun = time.monotonic()
        assert server.ask("GET", "/healthz", token=None).status == 200
        longest = max(longest, time.monotonic() - begun)
        most = max(most, process.memory_info().rss / 2**20)
        time.sleep(0.05)
        calm = calm + 1 if process.cpu_times().user - spent < 0.03 else 0
    return most, longest


def read_to_end(client: socket.socket) -> bytes:
    """All that a client gets."""
    with closing(client), client.makefile("rb") as answer:
        return answer.read()


@pytest.mark.parametrize("wire", WIRES)
def test_clients_that_do_not_read_hold_up_neither_memory_nor_others(start: Start, wire: str) -> None:
    path, body, each = WIRES[wire]
    server = start(scripted(SIZE // each))
    with silent_clients(server, request(path, body)) as clients:
        most, longest = watched(server)
        assert most < MEMORY
        assert longest < PROMPTLY
        # Who reads after all gets all of it, and who leaves leaves nothing behind.
        assert SIZE * 0.9 < len(read_to_end(clients[0])) < SIZE * 1.5
    assert server.run().status == 200


def test_a_provider_that_never_waits_is_held_up_as_well(start: Start) -> None:
    server = start(replace(CONFIG, provider=replace(CONFIG.provider, provider="tests.bench.slow:Flood")))
    asked = {"model": "m", "messages": [{"role": "user", "content": str(SIZE // 100)}], "stream": True}
    with silent_clients(server, request("/v1/chat/completions", asked)):
        most, longest = watched(server)
    assert most < MEMORY
    assert longest < PROMPTLY
