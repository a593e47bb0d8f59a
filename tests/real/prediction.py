"""Replicate's predictions, behind a proxy: LiteLLM has the address in its code, so that nothing else can lead here.

The proxy takes `CONNECT api.replicate.com:443` (RFC 9110, 9.3.6) and is that host from then on, with a certificate by
an authority of the tests. It does not imitate webhooks, files, or the stream at another address that
replicate.com/docs/topics/predictions/streaming offers, which LiteLLM does not ask for.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.certificates import certificates

HOST = "api.replicate.com"


@dataclass
class Predictions:
    """Answers to a prediction (replicate.com/docs/reference/http): its states one after the other, or a refusal.

    `location` is the address that each answer names. `received` are the requests: method, path, headers by lower-case
    name, and body.
    """

    states: Sequence[Mapping[str, Any]] = ()
    refusal: tuple[int, Mapping[str, Any]] | None = None
    location: str | None = None
    received: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    #: Hosts that a client asked the proxy for.
    connected: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> tuple[int, Any]:
        """The status and the document for one request."""
        self.received.append((method, path, headers, body))
        if self.refusal is not None:
            return self.refusal
        if path.endswith("/cancel"):
            return 200, {"id": "abc", "status": "canceled"}
        polls = sum(method == "GET" for method, *_ in self.received)
        urls = {name: f"https://{HOST}/v1/predictions/abc{end}" for name, end in (("get", ""), ("cancel", "/cancel"))}
        state: Mapping[str, Any] = {"status": "starting", "output": None}
        if method == "GET":
            state = self.states[min(polls, len(self.states)) - 1]
        document = {"id": "abc", "model": "meta/meta-llama-3-8b-instruct", "urls": urls, "error": None, **state}
        return (201 if method == "POST" else 200), document


class Proxy:
    """A proxy that runs as long as its `with` block; `variables` lead a client to it."""

    def __init__(self, predictions: Predictions, folder: Path, host: str = HOST) -> None:
        authority, pair = certificates(folder, host)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)

        class Tunnel(_Tunnel):
            pass

        Tunnel.predictions, Tunnel.context = predictions, context
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Tunnel)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.variables = {
            "HTTPS_PROXY": f"http://127.0.0.1:{self._server.server_port}",
            "SSL_CERT_FILE": str(authority),
        }

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Tunnel(BaseHTTPRequestHandler):
    predictions: Predictions
    context: ssl.SSLContext
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        self.predictions.connected.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        # A client may not trust us, or leave.
        with suppress(OSError), self.context.wrap_socket(self.connection, server_side=True) as connection:
            _Replicate(connection, self.client_address, self.server, self.predictions)

    def log_message(self, *_: Any) -> None:
        """Say nothing: standard error is what some tests look at."""


class _Replicate(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, connection: Any, address: Any, server: Any, predictions: Predictions) -> None:
        self._predictions = predictions
        super().__init__(connection, address, server)  # which answers until the client leaves

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["content-length"])) or "null"))

    def _answer(self, body: Any) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, document = self._predictions.answer(self.command, self.path, headers, body)
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        if self._predictions.location is not None:
            self.send_header("location", self._predictions.location)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing: standard error is what some tests look at."""
