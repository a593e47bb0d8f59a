"""A relay between a client and the daemon, which a test can end."""

from __future__ import annotations

import select
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def breaking_off(daemon: str, *, answered: bool) -> Iterator[str]:
    """The address of a way to the daemon that ends at a build, before its answer or after the first words of it."""
    asked, words = bytearray(), list[bytes]()

    def passes(data: bytes, *, said: bool) -> bool:
        asked.extend(b"" if said else data)
        if b"/build?" not in asked:
            return True
        words.extend([data] * said)
        return answered and len(words) < 2

    with between(daemon, passes) as address:
        yield address


@contextmanager
def between(daemon: str, passes: Callable[..., bool]) -> Iterator[str]:
    """The address of a way to the daemon, which asks before it passes on what was asked (`said=False`) or said; where
    that answers False, it ends."""

    class Way(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as there:
                there.connect(daemon)
                sides = {self.request: there, there: self.request}
                while True:
                    for side in select.select(list(sides), [], [])[0]:
                        data = side.recv(65536)
                        if not data or not passes(data, said=side is there):
                            return
                        sides[side].sendall(data)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Way) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
