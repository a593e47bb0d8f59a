"""A vendor that misbehaves on demand: a real HTTP server on 127.0.0.1, raw enough to break off anywhere.

It speaks OpenAI's chat completions (/v1/chat/completions) and Anthropic's messages (/v1/messages), streaming unless a
test says what to say, Ollama's chat (/api/chat) only then, and OpenAI's embeddings, which always go well.
It does not imitate TLS, HTTP/2, or the vendors' checks of what they are sent.

    with Vendor(first(2, fails(429, retry_after="0.2"))) as vendor:
        …  # with vendor.addresses in the environment
        assert len(vendor.requests) == 3
"""

from __future__ import annotations

import base64
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any, ClassVar

from tests.real.dialects import Anthropic, Dialect, OpenAI, whole_answer

ANSWER = ("Hel", "lo the", "re!")


@dataclass(frozen=True)
class Received:
    """A request as it came: header names in lower case, `at` in seconds of the wall clock."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    at: float


class Conversation:
    """One request and the socket it came on: what a behaviour acts upon."""

    def __init__(self, handler: _Handler, received: Received, dialect: Dialect, number: int) -> None:
        self._handler = handler
        self.received = received
        self.dialect = dialect
        #: 1 for the first request a server got.
        self.number = number

    @property
    def key(self) -> str:
        return self.dialect.key(self.received.headers)

    def send(self, status: int, body: bytes, **headers: str) -> None:
        """A whole answer; a header's underscores stand for hyphens."""
        self._head(status, {"content_length": str(len(body)), "content_type": "application/json", **headers})
        self._handler.wfile.write(body)

    def begin_stream(self, **headers: str) -> None:
        self._head(200, {"content_type": "text/event-stream", "transfer_encoding": "chunked", **headers})

    def write(self, data: bytes) -> None:
        """One chunk of a chunked body."""
        self._handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def end_stream(self) -> None:
        self._handler.wfile.write(b"0\r\n\r\n")

    def stream(self, events: Iterable[bytes], **headers: str) -> None:
        """A whole body, well formed as HTTP goes."""
        self.begin_stream(**headers)
        for event in events:
            self.write(event)
        self.end_stream()

    def write_half_a_chunk(self) -> None:
        self._handler.wfile.write(b"ff\r\ndata: {")

    def stall(self) -> None:
        """Say nothing more for as long as the server runs."""
        self._handler.server.stopping.wait()
        self._handler.close_connection = True

    def hang_up(self, *, reset: bool = False) -> None:
        """Close the socket for good: with FIN, or with `reset` RST (SO_LINGER of 0 seconds, socket(7))."""
        connection = self._handler.connection
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            connection.shutdown(socket.SHUT_RDWR)
        # The file made of the socket holds it open as well.
        self._handler.rfile.close()
        connection.close()
        self._handler.close_connection = True

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self._handler.send_response(status)
        for name, value in headers.items():
            self._handler.send_header(name.replace("_", "-"), value)
        self._handler.end_headers()


Behaviour = Callable[[Conversation], None]


class Vendor:
    """A server with one behaviour, running as long as its `with` block. `requests` are those it got so far.

    It listens on a port of its own on 127.0.0.1, or on the socket it is given, which is its own from then on.
    """

    def __init__(self, behaviour: Behaviour | None = None, listening: socket.socket | None = None) -> None:
        self._server = _Server(behaviour or answers(), listening)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Vendor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def addresses(self) -> dict[str, str]:
        """The variables that lead LiteLLM here."""
        return {"OPENAI_BASE_URL": f"{self.url}/v1", "ANTHROPIC_API_BASE": self.url}

    @property
    def requests(self) -> list[Received]:
        return list(self._server.received)

    @property
    def connections(self) -> int:
        """The number of connections that were opened so far."""
        return self._server.opened

    def wait_for_request(self, seconds: float) -> None:
        """Return once a request has come. Raises TimeoutError."""
        if not self._server.asked.wait(seconds):
            raise TimeoutError(f"no request within {seconds} s")


# -- behaviours -------------------------------------------------------------------------------------------------------


def answers(*pieces: str | None) -> Behaviour:
    """An answer in pieces, ending as it should. Anthropic's comes whole where nobody asked for a stream: LiteLLM reads
    it, while ours reads that of a server which streams unasked."""

    def behave(talk: Conversation) -> None:
        if isinstance(talk.dialect, Anthropic) and not talk.received.body.get("stream"):
            talk.send(200, json.dumps(talk.dialect.whole("".join(filter(None, pieces or ANSWER)))).encode())
        else:
            talk.stream(whole_answer(talk.dialect, pieces or ANSWER))

    return behave


def echoes_the_key(*cuts: int) -> Behaviour:
    """An answer that says the key it was called with, cut at these places."""

    def behave(talk: Conversation) -> None:
        places = [0, *cuts, len(talk.key)]
        pieces = [talk.key[start:end] for start, end in pairwise(places)]
        talk.stream(whole_answer(talk.dialect, ["Your key is ", *pieces, ", is it not?"]))

    return behave


def streams(events: Callable[[Any], Sequence[bytes]]) -> Behaviour:
    """These events of the vendor's dialect, in a well-formed HTTP answer of status 200."""
    return lambda talk: talk.stream(events(talk.dialect))


def fails(
    status: int,
    *,
    retry_after: str | None = None,
    should_retry: str | None = None,
    body: dict[str, Any] | bytes | None = None,
) -> Behaviour:
    """An error with its status; without `body`, one in the vendor's format that quotes the key."""

    def behave(talk: Conversation) -> None:
        said = talk.dialect.error(status, talk.key) if body is None else body
        told = {"retry_after": retry_after, "x_should_retry": should_retry}
        headers = {name: value for name, value in told.items() if value is not None}
        talk.send(status, said if isinstance(said, bytes) else json.dumps(said).encode(), **headers)

    return behave


def says(document: Any, **headers: str) -> Behaviour:
    """One whole JSON document, whatever was asked for; a header's underscores stand for hyphens."""
    return lambda talk: talk.send(200, json.dumps(document).encode(), **headers)


def says_lines(*documents: Any) -> Behaviour:
    """Documents as Ollama streams them, one a line."""

    def behave(talk: Conversation) -> None:
        body = b"".join(json.dumps(document).encode() + b"\n" for document in documents)
        talk.send(200, body, content_type="application/x-ndjson")

    return behave


def says_events(documents: Iterable[Any], **headers: str) -> Behaviour:
    """Documents as OpenAI streams them, and the end of the stream."""

    def behave(talk: Conversation) -> None:
        events = [f"data: {json.dumps(document)}\n\n".encode() for document in documents]
        talk.stream([*events, b"data: [DONE]\n\n"], **headers)

    return behave


def fails_until_a_date(status: int, seconds: int) -> Behaviour:
    """An error whose Retry-After is an HTTP date, at least `seconds` away: dates know no fractions."""

    def behave(talk: Conversation) -> None:
        date = datetime.now(timezone.utc) + timedelta(seconds=seconds + 1)
        fails(status, retry_after=format_datetime(date, usegmt=True))(talk)

    return behave


def first(count: int, behaviour: Behaviour, then: Behaviour | None = None) -> Behaviour:
    """`behaviour` for the first requests, `then` (default: an answer) for all that follow."""
    return lambda talk: (behaviour if talk.number <= count else then or answers())(talk)


def stalls_at_once(talk: Conversation) -> None:
    talk.stall()


def stalls_midway(talk: Conversation) -> None:
    _begin(talk)
    talk.stall()


def hangs_up_at_once(talk: Conversation) -> None:
    talk.hang_up()


def hangs_up_midway(talk: Conversation) -> None:
    """FIN in the middle of a chunk."""
    _begin(talk)
    talk.write_half_a_chunk()
    talk.hang_up()


def resets_at_once(talk: Conversation) -> None:
    talk.hang_up(reset=True)


def resets_midway(talk: Conversation) -> None:
    _begin(talk)
    talk.hang_up(reset=True)


def sends_a_garbage_chunk(talk: Conversation) -> None:
    talk.stream([*talk.dialect.opening(), talk.dialect.text("Hel"), b'data: {"choices": [{]]\n\n', talk.dialect.end()])


def starts_with_a_garbage_chunk(talk: Conversation) -> None:
    talk.stream([b'data: {"choices": [{]]\n\n', talk.dialect.end()])


def sends_a_web_page(talk: Conversation) -> None:
    """Status 200, and a body that is no stream of events at all."""
    talk.send(200, b"<html><body>Please log in to the guest network.</body></html>", content_type="text/html")


def sends_nothing(talk: Conversation) -> None:
    """Status 200, the right content type, and an empty body."""
    talk.stream([])


def holds_nothing(talk: Conversation) -> None:
    """A whole answer without a choice."""
    talk.stream(talk.dialect.empty())


def says_null(talk: Conversation) -> None:
    talk.stream(whole_answer(talk.dialect, [None]))


def ends_without_a_reason(talk: Conversation) -> None:
    """Text, then the end of the stream, and no finish reason."""
    talk.stream([*talk.dialect.opening(), talk.dialect.text("Hel"), talk.dialect.end()])


def ends_abruptly(talk: Conversation) -> None:
    """Text, then a body that ends as HTTP has it, and nothing of the vendor's own end."""
    talk.stream([*talk.dialect.opening(), talk.dialect.text("Hel")])


def fails_midway(talk: Conversation) -> None:
    """Text, then a failure told inside the stream."""
    talk.stream([*talk.dialect.opening(), talk.dialect.text("Hel"), talk.dialect.error_event()])


def fails_inside_the_stream(talk: Conversation) -> None:
    """Status 200, and a failure instead of the first piece of text."""
    talk.stream([talk.dialect.error_event()])


def embeds(talk: Conversation) -> None:
    """A vector for each text, [its length, 0.5], as OpenAI's client wants it: in base64, or as numbers."""
    asked = talk.received.body
    texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
    vectors: list[Any] = [[float(len(text)), 0.5] for text in texts]
    if asked.get("encoding_format") == "base64":
        vectors = [base64.b64encode(struct.pack("<2f", *vector)).decode() for vector in vectors]
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    talk.send(200, json.dumps({"object": "list", "data": data, "model": asked["model"], "usage": usage}).encode())


def _begin(talk: Conversation) -> None:
    talk.begin_stream()
    for event in (*talk.dialect.opening(), talk.dialect.text("Hel")):
        talk.write(event)


# -- the server -------------------------------------------------------------------------------------------------------


class _Server(ThreadingHTTPServer):
    # Joined by server_close, so that no thread outlives its test.
    daemon_threads = False

    def __init__(self, behaviour: Behaviour, listening: socket.socket | None) -> None:
        listening = listening or socket.create_server(("127.0.0.1", 0))
        super().__init__(listening.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.server_port = listening.getsockname()[1]
        self.behaviour = behaviour
        self.received: list[Received] = []
        self.asked = threading.Event()
        self.stopping = threading.Event()
        self.connections: set[socket.socket] = set()
        self.opened = 0

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.opened += 1
        return connection, address

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # already closed, by either side
                continue
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left early is part of the game; anything else is a mistake in here and shows."""
        import sys

        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    _DIALECTS: ClassVar[Mapping[str, Dialect]] = {
        "/v1/chat/completions": OpenAI(),
        "/v1/embeddings": OpenAI(),
        "/v1/messages": Anthropic(),
        "/v1/messages/count_tokens": Anthropic(),
        "/api/chat": OpenAI(),  # Ollama's: a test says what it says
    }

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def do_POST(self) -> None:
        dialect = self._DIALECTS.get(self.path)
        body = self.rfile.read(int(self.headers["content-length"]))
        if dialect is None:
            self.send_error(404)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        received = Received(self.path, headers, json.loads(body), time.time())
        self.server.received.append(received)
        self.server.asked.set()
        talk = Conversation(self, received, dialect, len(self.server.received))
        (embeds if self.path == "/v1/embeddings" else self.server.behaviour)(talk)

    def log_message(self, *_: Any) -> None:
        """Say nothing: standard error is what some tests look at."""
