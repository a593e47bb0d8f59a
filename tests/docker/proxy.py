"""A proxy before a registry: it passes on the registry's answers, or what a test makes of them."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    """An answer on its way; `missing` bytes are promised and never sent."""

    status: int
    headers: dict[str, str]
    body: bytes
    missing: int = 0


#: Makes another answer of one; it is told the request's path and its headers in lower case.
Change = Callable[[str, dict[str, str], Answer], Answer]


@dataclass
class Proxy:
    """An HTTP server on 127.0.0.1 before a registry.

    `asked` are the paths and headers of every request, and its body as `:body`. One that `trickles` sends a byte every
    tenth of a second.
    """

    registry: str
    change: Change
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    trickles: bool = False

    def __enter__(self) -> Proxy:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                headers = {name.lower(): ", ".join(self.headers.get_all(name, [])) for name in self.headers}
                sent = self.rfile.read(int(headers.get("content-length", "0")))
                proxy.asked.append((self.path, {**headers, ":body": sent.decode()}))
                self._send(proxy.change(self.path, headers, proxy._forward(self.path, headers)))

            do_HEAD = do_POST = do_GET

            def _send(self, answer: Answer) -> None:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer.body) + answer.missing))
                self.end_headers()
                if proxy.trickles:
                    self._trickle(answer.body)
                elif self.command != "HEAD":
                    self.wfile.write(answer.body)
                self.close_connection = bool(answer.missing)

            def _trickle(self, body: bytes) -> None:
                with suppress(OSError):
                    for byte in body:
                        self.wfile.write(bytes([byte]))
                        time.sleep(0.1)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def _forward(self, path: str, headers: dict[str, str]) -> Answer:
        passed: dict[str, str] = {name: headers[name] for name in ("accept", "authorization") if name in headers}
        with closing(http.client.HTTPConnection(self.registry, timeout=5)) as connection:
            connection.request("GET", path, headers=passed)
            response = connection.getresponse()
            kept = ("content-type", "docker-content-digest", "www-authenticate")
            found = {name.lower(): value for name, value in response.getheaders() if name.lower() in kept}
            return Answer(response.status, found, response.read())


def unchanged(path: str, headers: dict[str, str], answer: Answer) -> Answer:
    return answer


def flips_a_byte(path: str, headers: dict[str, str], answer: Answer) -> Answer:
    """In what is not structure, so that it is JSON still."""
    return replace(answer, body=answer.body.replace(b'"size"', b'"sizE"', 1))


def names_another_digest(path: str, headers: dict[str, str], answer: Answer) -> Answer:
    return replace(answer, headers={**answer.headers, "docker-content-digest": "sha256:" + "0" * 64})


def cuts_the_body(path: str, headers: dict[str, str], answer: Answer) -> Answer:
    return replace(answer, body=answer.body[:20], missing=len(answer.body) - 20)


def sends_on_to(address: str) -> Change:
    return lambda path, headers, answer: Answer(307, {"location": f"{address}{path}"}, b"")


def fails_first(times: int, status: int, **more: str) -> Change:
    """`status` for that many requests, then what the registry says."""
    left = [times]

    def change(path: str, headers: dict[str, str], answer: Answer) -> Answer:
        left[0] -= 1
        return Answer(status, more, b"{}") if left[0] >= 0 else answer

    return change


def wants_a_token(realm: str, token: str = "the-token") -> Change:
    """The token flow, as an authorization service and its registry play it; `realm` may be somebody else's."""

    def change(path: str, headers: dict[str, str], answer: Answer) -> Answer:
        if path.startswith("/token"):
            return Answer(200, {"content-type": "application/json"}, f'{{"token": "{token}"}}'.encode())
        if headers.get("authorization") == f"Bearer {token}":
            return answer
        challenge = f'Bearer realm="{realm}",service="test",scope="repository:hello:pull"'
        return Answer(401, {"www-authenticate": challenge}, b"{}")

    return change
