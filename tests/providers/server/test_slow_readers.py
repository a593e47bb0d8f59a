"""Clients that ask for long streams and do not read them: an answer is made no faster than it is taken."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

import psutil
import pytest

from tests.providers.started import ASK, CANARY, CONFIG, TOKEN, Server, Start
from tests.real.server import Conversation
from tests.real.vendor import Vendor
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


SLOW = pytest.mark.slow("providers/theoryctl_providers/*", "pyproject.toml", "requirements-dev.lock")


def scripted(words: int) -> ServerConfig:
    """A mock that says so many words."""
    script = Script.load({"rules": [{"answers": [{"text": "abcdefg " * words}]}]})
    return replace(CONFIG, provider=replace(CONFIG.provider, script=script))


def request(path: str, body: object) -> bytes:
    data = json.dumps(body)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nAccept: text/event-stream\r\n"
    return f"{head}Connection: close\r\nContent-Length: {len(data)}\r\n\r\n{data}".encode()


@contextmanager
def silent_clients(server: Server, sent: bytes, count: int = CLIENTS) -> Iterator[list[socket.socket]]:
    """Connections on which a request was sent, and nothing is read."""
    with ExitStack() as stack:
        clients = []
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20))
            client.sendall(sent)
            clients.append(client)
        yield clients


def watched(server: Server, enough: Callable[[], bool] | None = None) -> tuple[float, float]:
    """The most MiB that the server had until it came to rest, or it is `enough`, and the longest that `/healthz` took.

    That is the server's CPU time meanwhile: what other processes took counts for nothing. Its memory is its own: how
    many pages of its libraries' files are in memory is the kernel's to say, and differs by machine.
    """
    process = psutil.Process(server.process.pid)
    most = longest = 0.0
    calm = 0
    while calm < 5 if enough is None else not enough():
        spent = used(process)
        assert server.ask("GET", "/healthz", token=None).status == 200
        longest = max(longest, used(process) - spent)
        most = max(most, own_memory(process))
        time.sleep(0.05)
        calm = calm + 1 if used(process) - spent < 0.03 else 0
    return most, longest


def own_memory(process: psutil.Process) -> float:
    """MiB of a process that are not pages of files."""
    memory = process.memory_info()
    return float((memory.rss - memory.shared) / 2**20)


def used(process: psutil.Process) -> float:
    """CPU seconds of a process so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


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


def floods(talk: Conversation) -> None:
    """Say more than `SIZE`, as fast as it is read."""
    piece = talk.dialect.text("abcdefg ") * 64
    talk.begin_stream()
    for event in talk.dialect.opening():
        talk.write(event)
    for _ in range(SIZE // len(piece)):
        talk.write(piece)
    talk.end_stream()


#: MiB that a silent client may cost in real mode: 0.09 were measured, half of them LiteLLM's and its client's objects.
EACH = 0.15
#: MiB that the server may have in all: 157 were measured, most of them LiteLLM's code, and 12 its first call. Pages of
#: libraries' files are 34 more.
IN_ALL = 200
#: CPU seconds of the server for which they are watched.
ENOUGH = 3.0


@pytest.mark.parametrize("wire", [pytest.param(wire, marks=() if wire == "chat" else SLOW) for wire in WIRES])
def test_a_hundred_clients_that_do_not_read_what_a_vendor_says_hold_up_neither_memory_nor_others(
    start: Start, wire: str
) -> None:
    path, body, _ = WIRES[wire]
    with Vendor(floods) as vendor:
        secrets = {"OPENAI_API_KEY": CANARY, **vendor.addresses}
        server = start(replace(CONFIG, provider=replace(CONFIG.provider, mode="real", secrets=secrets)))
        with silent_clients(server, request(path, body), 1):  # what the first call loads is not theirs
            vendor.wait_for_request(20)
            before, _ = watched(server)
        with silent_clients(server, request(path, body), 100):
            process = psutil.Process(server.process.pid)
            begun = used(process)
            most, longest = watched(server, lambda: used(process) - begun > ENOUGH)
        assert longest < PROMPTLY
        assert most - before < 100 * EACH
        assert most < IN_ALL
        assert len(vendor.requests) == 101
