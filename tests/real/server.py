"""Server of the vendor that misbehaves: requests as they come, and the sockets that behaviours act upon."""

from __future__ import annotations

import base64
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from tests.real.dialects import Anthropic, Dialect, OpenAI


@dataclass(frozen=True)
class Received:
    """A request as it came: header names in lower case, `at` in seconds of the wall clock."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    at: float


class Conversation:
    """One request and the socket it came on: what a behaviour acts upon."""

    def __init__(self, handler: Handler, received: Received, dialect: Dialect, number: int) -> None:
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

    def raw(self, data: bytes) -> None:
        """Bytes as they are, of the head too."""
        self._handler.wfile.write(data)

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


class Server(ThreadingHTTPServer):
    """Answers each request by one behaviour, on the socket that it is given or on a port of its own."""

    # Joined by server_close, so that no thread outlives its test.
    daemon_threads = False

    def __init__(self, behaviour: Behaviour, listening: socket.socket | None) -> None:
        listening = listening or socket.create_server(("127.0.0.1", 0))
        super().__init__(listening.getsockname(), Handler, bind_and_activate=False)
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


class Handler(BaseHTTPRequestHandler):
    """Reads a request, and leaves its answer to the behaviour of its server."""

    server: Server
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
