"""Requests behind one another on a connection, what is wrong with one of them, and wishes for another protocol."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from tests.providers.started import ASK, BODY, CONFIG, TOKEN, real, serving
from tests.real.vendor import Vendor, stalls_at_once
from tests.waiting import until
from theoryctl_providers.contract import Script, ServerConfig
from theoryctl_providers.lookup import get_llm_provider

CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)

#: As Java's HttpClient sends them with the first request on a connection, and curl with --http2.
H2C = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\n"


def head(more: str = "", length: int | None = len(BODY), path: str = "/v1/run") -> bytes:
    framed = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n{framed}\r\n{more}"
    return f"{lines}\r\n".encode()


RUN = head() + BODY


class Client:
    """A raw connection to a server."""

    def __init__(self, client: socket.socket) -> None:
        self._socket, self._answers = client, client.makefile("rb")

    def send(self, *pieces: bytes) -> None:
        """Send pieces that the server reads one by one."""
        for number, piece in enumerate(pieces):
            time.sleep(0.03 * (number > 0))
            self._socket.sendall(piece)

    def statuses(self, most: int = 99) -> list[int]:
        """The statuses of so many answers with a length, or of fewer, where the server hangs up after them."""
        found: list[int] = []
        while len(found) < most and (line := self._answers.readline()):
            found.append(int(line.split()[1]))
            length = 0
            while header := self._answers.readline().strip():
                length = int(header[15:]) if header.startswith(b"content-length") else length
            assert len(self._answers.read(length)) == length
        return found

    def rest(self) -> bytes:
        """All that comes until the server hangs up."""
        return self._answers.read()

    def say_no_more(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def vanish(self) -> None:
        self._answers.close()
        self._socket.close()


@contextmanager
def connected(config: ServerConfig = CONFIG, lines: list[str] | None = None) -> Iterator[Client]:
    """A connection to a server that appends what it logs to `lines`."""
    kept: list[str] = [] if lines is None else lines
    with (
        serving(config, log=kept.append) as (port, _),
        closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as client,
    ):
        yield Client(client)


def scripted(*later: dict[str, object], **first: object) -> ServerConfig:
    script = Script.load({"rules": [{"answers": [first, *later]}]})
    return replace(CONFIG, provider=replace(CONFIG.provider, script=script))


#: Seconds that the first answer takes, and those that a head may take while it waits behind that: long enough for what
#: a test sends meanwhile, on a busy machine too.
SLOW, PATIENCE = 1.2, 0.8


def slow_first() -> ServerConfig:
    return scripted({"text": "Hello"}, text="Hello", delay=SLOW)


# -- many behind one another --


def padded(size: int) -> bytes:
    """Make a request of that many bytes more."""
    body = BODY + b" " * size
    return head(length=len(body)) + body


@pytest.mark.parametrize(
    ("behind", "delay"),
    [(RUN * 200, 0), (padded(300_000) * 9 + RUN * 99, 0), (padded(5 << 20) + RUN, 0.2), (RUN + padded(90_000), 0.2)],
)
def test_all_that_are_asked_at_once_are_answered_in_their_order(behind: bytes, delay: float) -> None:
    with connected(scripted(text="Hello", delay=delay)) as client:
        client.send(RUN + behind)
        assert client.statuses(1 + behind.count(BODY)) == [200] * (1 + behind.count(BODY))


# -- refused, or the last, behind one that is being answered --


def stranger(more: str = "", length: int = len(BODY)) -> bytes:
    """Make the head of a request that is refused: its token is wrong."""
    return head(more, length).replace(TOKEN.encode(), b"wrong")


@pytest.mark.parametrize(
    ("refused", "status"), [(stranger(), 401), (head(path="/healthz"), 405)], ids=["token", "method"]
)
@pytest.mark.parametrize("cut", [20, len(BODY)])
def test_a_refused_request_whose_body_came_while_it_waited_keeps_the_connection(
    refused: bytes, status: int, cut: int
) -> None:
    with connected(slow_first()) as client:
        client.send(RUN + refused + BODY[:cut], BODY[cut:] + RUN)
        assert client.statuses(3) == [200, status, 200]
        client.send(RUN)
        assert client.statuses(1) == [200]


@pytest.mark.parametrize(
    "last",
    [stranger(length=300_000) + b"x" * 300_000, stranger("Connection: close\r\n") + BODY],
    ids=["a refused one with a long body", "one that asks to close"],
)
def test_no_request_is_run_behind_the_last_that_is_answered(last: bytes) -> None:
    lines: list[str] = []
    with connected(slow_first(), lines) as client:
        client.send(RUN + last, RUN)
        assert client.statuses() == [200, 401]
        time.sleep(0.1)
    assert sorted(json.loads(line)["status"] for line in lines) == [200, 401]


@pytest.mark.parametrize("size", [300_000, 20 << 20])
def test_a_client_that_reads_slowly_gets_all_answers_though_a_body_is_refused(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr("theoryctl_providers.server.protocol.LINGER_SECONDS", 0.2)
    long = scripted({"text": "Hello"}, text="Hello" * 200_000, delay=0.2)
    with serving(long, log=lambda line: None) as (port, _), socket.socket() as client, ThreadPoolExecutor(1) as pool:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 15)
        client.connect(("127.0.0.1", port))
        client.settimeout(20)
        pool.submit(client.sendall, RUN + stranger(length=size) + b"x" * size)
        answers = bytearray()
        while piece := client.recv(1 << 15):
            answers += piece
            time.sleep(0.02)
    assert answers.count(b"Hello") == 200_000
    assert re.findall(rb"HTTP/1.1 (\d+) ", answers) == [b"200", b"401"]


# -- another protocol --


@pytest.mark.parametrize(
    "pieces",
    [
        [head(H2C) + BODY],
        [head(H2C), BODY],
        [head(H2C)[:60], head(H2C)[60:] + BODY[:5], BODY[5:]],
        [head(H2C, length=None) + CHUNKED],
        [head("Upgrade: websocket\r\nConnection: keep-alive, upgrade\r\n") + BODY],
    ],
    ids=["in one piece", "body later", "in three pieces", "in chunks", "websocket"],
)
def test_a_wish_for_another_protocol_is_ignored_and_the_connection_goes_on(pieces: list[bytes]) -> None:
    with connected() as client:
        for _ in range(2):
            client.send(*pieces)
            assert client.statuses(1) == [200]
        client.send(RUN)
        assert client.statuses(1) == [200]


def test_what_comes_behind_such_a_request_is_one_of_its_own() -> None:
    with connected() as client:
        client.send((head(H2C) + BODY) * 2 + RUN + head(H2C, length=2) + b"{}" + RUN)
        assert client.statuses(5) == [200, 200, 200, 400, 200]


# -- what is no HTTP --


@pytest.mark.parametrize(
    "pieces",
    [
        [RUN + b"extra"],
        [RUN + head()[:20], b"\0\0"],
        [RUN * 3 + b"\xff\xff\xff\xff"],
        [RUN + b"\0\0", b"\0" * (2 << 20)],
    ],
    ids=["extra", "in a head", "behind three", "more of it"],
)
def test_requests_are_answered_before_what_comes_behind_them_is_refused(pieces: list[bytes]) -> None:
    with connected(scripted(text="Hello", delay=0.2)) as client:
        client.send(*pieces)
        *answered, last = client.statuses()
        assert (set(answered), len(answered), last) == ({200}, pieces[0].count(BODY), 400)


@pytest.mark.parametrize("behind", [RUN, padded(300_000) + RUN], ids=["one", "large"])
def test_headers_that_came_in_time_behind_a_waiting_request_are_read_in_their_turn(
    monkeypatch: pytest.MonkeyPatch, behind: bytes
) -> None:
    monkeypatch.setattr("theoryctl_providers.server.protocol.HEADER_SECONDS", PATIENCE)
    with connected(slow_first()) as client:
        client.send(RUN + RUN + behind[:40], behind[40:])
        assert client.statuses(2 + behind.count(BODY)) == [200] * (2 + behind.count(BODY))
        client.send(RUN)
        assert client.statuses(1) == [200]


@pytest.mark.parametrize("pieces", [[RUN * 2 + RUN[:40]], [RUN * 2 + RUN[:40], RUN[40:50]]])
def test_headers_that_do_not_come_to_an_end_behind_a_waiting_request_end_the_connection(
    monkeypatch: pytest.MonkeyPatch, pieces: list[bytes]
) -> None:
    monkeypatch.setattr("theoryctl_providers.server.protocol.HEADER_SECONDS", PATIENCE)
    with connected(slow_first()) as client:
        client.send(*pieces)
        assert client.statuses() == [200, 200]


def test_headers_that_do_not_come_to_an_end_cut_off_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theoryctl_providers.server.protocol.HEADER_SECONDS", 0.2)
    with connected(scripted(text="Hello", delay=0.6)) as client:
        client.send(RUN + head()[:20])
        assert client.statuses() == [200]
    with connected(scripted(text="Hello", delay=0.3)) as client:
        client.send(RUN + b"GET / HTTP/1.1\r\nX: ", *([b"x" * 60_000] * 5))
        assert client.statuses() == [200, 431]


def test_a_body_that_is_no_http_is_refused_at_once_and_once() -> None:
    broken = head(length=None) + b"no chunk"
    with connected(scripted(text="Hello", delay=0.2)) as client:
        client.send(RUN + broken)
        assert client.statuses() == [200, 400]
    with connected() as client:
        client.send(broken)
        assert client.statuses() == [400]


# -- clients that leave --


@pytest.mark.parametrize(
    "pieces",
    [
        [RUN],
        [RUN + RUN],
        [RUN, RUN],
        [RUN, RUN, RUN + RUN, head()],
        [RUN, RUN * 500],
        [RUN, padded(300_000), RUN],
        [RUN, stranger() + BODY, RUN[:40], RUN[40:]],
    ],
)
@pytest.mark.parametrize("leave", [Client.vanish, Client.say_no_more])
def test_a_vendors_call_is_cancelled_when_the_client_leaves_though_others_wait_behind_it(
    pieces: list[bytes], leave: Callable[[Client], None]
) -> None:
    get_llm_provider("litellm").prepare("real")  # before the time of a call runs
    lines: list[str] = []
    with Vendor(stalls_at_once) as vendor, connected(real(vendor), lines) as client:
        client.send(pieces[0])
        until(lambda: vendor.requests)
        client.send(*pieces[1:])
        time.sleep(0.1)
        leave(client)
        until(lambda: lines)
        assert [json.loads(line)["status"] for line in lines] == [499]
        assert len(vendor.requests) == 1


@pytest.mark.parametrize("words", [5, 50_000])
def test_a_client_that_has_no_more_to_ask_gets_all_of_a_mocks_stream(words: int) -> None:
    body = json.dumps({**ASK, "stream": True}).encode()
    with connected(scripted(text="word " * words)) as client:
        client.send(head(length=len(body), path="/v1/chat/completions") + body)
        client.say_no_more()
        assert b"data: [DONE]" in client.rest()
