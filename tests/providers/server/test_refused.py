"""Requests that are refused come to an end: answered, hung up on, and no more of them is read than there must be."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, closing

import pytest

from tests.providers.started import BODY, TOKEN, Server, Start, limited

Property = Callable[[str, object], None]

#: Seconds until a refused connection is closed, at most.
SOON = 5.0


def head(path: str = "/v1/run", token: str = TOKEN, length: int = 300 << 20, more: str = "") -> bytes:
    lines = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n{more}"
    return f"{lines}\r\n".encode()


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=SOON)


def to_the_end(client: socket.socket) -> bytes:
    """All that comes until the server hangs up."""
    found = b""
    while piece := client.recv(65536):
        found += piece
    return found


def pushed(client: socket.socket, size: int) -> int:
    """Send bytes without end until they are not taken any more, and return how many were."""
    sent, chunk = 0, b"x" * 65536
    try:
        while sent < size:
            client.sendall(chunk)
            sent += len(chunk)
    except OSError:
        pass
    return sent


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [("/v1/run", "wrong", 401), ("/nope", TOKEN, 404), ("/v1/models", TOKEN, 405), ("/v1/chat/completions", "", 401)],
)
def test_a_hundred_refused_requests_whose_bodies_do_not_come_are_answered_and_hung_up_on(
    start: Start, path: str, token: str, status: int, record_property: Property
) -> None:
    server = start()
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(connected(server))) for _ in range(100)]
        begun = time.monotonic()
        for client in clients:
            client.sendall(head(path, token) + b"{")
        answers = [to_the_end(client) for client in clients]
        took = time.monotonic() - begun
    record_property("tried", len(clients))
    record_property("seconds until hung up", round(took, 1))
    assert took < SOON
    for answer in answers:
        start_line, _, rest = answer.partition(b"\r\n")
        assert start_line.startswith(f"HTTP/1.1 {status} ".encode())
        assert rest.lower().count(b"connection: close") == 1
        assert json.loads(answer.rpartition(b"\r\n\r\n")[2])["error"]
    assert server.run().status == 200


def test_of_a_refused_body_only_the_beginning_is_read_and_the_answer_arrives(
    start: Start, record_property: Property
) -> None:
    server = start()
    with closing(connected(server)) as client:
        client.sendall(head(token="wrong"))
        taken = pushed(client, 300 << 20)
        record_property("MiB taken of 300", round(taken / (1 << 20), 1))
        assert taken < 32 << 20  # what lies in the sockets' own buffers counts too
        assert client.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_a_body_that_proves_too_large_while_it_comes_is_answered_and_hung_up_on(start: Start) -> None:
    server = start(limited(body=10_000))
    with closing(connected(server)) as client:
        client.sendall(head(length=1_000_000) + b" " * 20_000)
        begun = time.monotonic()
        assert to_the_end(client).startswith(b"HTTP/1.1 413 ")
        assert time.monotonic() - begun < SOON


def test_headers_without_end_are_refused_while_they_come(start: Start) -> None:
    server = start()
    with closing(connected(server)) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ")
        assert pushed(client, 64 << 20) < 16 << 20
        assert client.recv(65536).startswith(b"HTTP/1.1 431 ")
    assert server.ask("GET", "/healthz", token=None).status == 200


def test_a_refused_request_that_is_there_to_its_end_keeps_the_connection(start: Start) -> None:
    server = start()
    with closing(connected(server)) as client:
        for _ in range(2):
            client.sendall(head("/v1/run", "wrong", 2) + b"{}")
            assert client.recv(65536).startswith(b"HTTP/1.1 401 ")
        client.sendall(head(length=len(BODY)) + BODY)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
