"""The client of the server benchmark, a process of its own: raw keep-alive sockets, one request on each at a time.

Told what to do as JSON on standard input; says on standard output how many answers were 200, and how long it took.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import sys
import time

#: Seconds without any answer after which the rest counts as failed.
PATIENCE = 10.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class _Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        # Otherwise the kernel may hold a request back, and it is the kernel that is measured.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""

    def ask(self, request: bytes) -> None:
        self._read = b""
        self.socket.sendall(request)

    def status(self) -> bytes | None:
        """Take what has come: the status once the answer is whole, else None. Raises ConnectionError at its end."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("closed by the server")
        self._read += data
        head, _, body = self._read.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        # Without a length the body comes in chunks, the last of which is empty (RFC 9112, section 7.1).
        whole = len(body) >= int(length[1]) if length else body.endswith(b"\r\n0\r\n\r\n")
        return head[9:12] if whole else None


def load(port: int, request: bytes, connections: int, requests: int) -> tuple[int, float]:
    """Send `requests` requests: how many were answered with 200, and the seconds from the first to the last."""
    asked = good = 0
    with selectors.DefaultSelector() as selector:
        start = time.perf_counter()
        for _ in range(connections):
            connection = _Connection(port)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.ask(request)
            asked += 1
        while selector.get_map():
            ready = selector.select(PATIENCE)
            if not ready:
                break
            for key, _ in ready:
                status = _status(key.data)
                if status is None:
                    continue
                good += status == b"200"
                if status and asked < requests:
                    key.data.ask(request)
                    asked += 1
                else:
                    selector.unregister(key.fileobj)
                    key.data.socket.close()
        return good, time.perf_counter() - start


def _status(connection: _Connection) -> bytes | None:
    """As `_Connection.status`, but an empty one for a connection that is gone."""
    try:
        return connection.status()
    except OSError:
        return b""


def main() -> None:
    """Do what standard input says."""
    told = json.load(sys.stdin)
    good, seconds = load(told["port"], told["request"].encode(), told["connections"], told["requests"])
    print(json.dumps({"good": good, "seconds": seconds}))


if __name__ == "__main__":
    main()
