"""Instances of the process runtime for tests: started, their records, and their servers as the system sees them."""

from __future__ import annotations

import errno
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from tests.conftest import REF, ROOT, Cli, Ran
from tests.waiting import until

START = ("local", "start", "--ref", REF, "--runtime", "process")
RUN = ("local", "run", "--ref", REF)
STOP = ("local", "stop", "--ref", REF)


def started(cli: Cli, *flags: str, **options: Any) -> dict[str, Any]:
    ran = cli(*START, *flags, "--json", **options)
    assert ran.status == 0, ran.err
    return ran.document


def error(ran: Ran) -> tuple[int, str]:
    return ran.status, ran.document["error"]["code"]


def listed(cli: Cli) -> list[dict[str, Any]]:
    ran = cli("local", "status", "--json")
    assert ran.status == 0, ran.err
    rows = ran.document["instances"]
    assert isinstance(rows, list)
    return rows


def records(environment: dict[str, str]) -> Path:
    """The folder of the records of the ref."""
    return Path(environment["HOME"]) / ".local/state/theoryctl/instances/llm"


def record(environment: dict[str, str]) -> Path:
    (found,) = records(environment).glob("*.json")
    return found


def change(file: Path, **fields: Any) -> None:
    """Write a record anew with other fields."""
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def servers(environment: dict[str, str]) -> set[int]:
    """The servers that run with the home of this test."""
    return {process.pid for process in psutil.process_iter() if _is_server(process, environment["HOME"])}


def _is_server(process: psutil.Process, home: str) -> bool:
    with suppress(psutil.Error):
        is_ours = "theoryctl_providers" in process.cmdline() and process.environ().get("HOME") == home
        return is_ours and process.status() != psutil.STATUS_ZOMBIE
    return False


class Request:
    """A request that an instance has let in, and whose last byte is still to come."""

    def __init__(self, instance: dict[str, Any], token: str) -> None:
        body = b'{"inputs": {"messages": [{"role": "user", "content": "Hi"}]}}'
        self._last = body[-1:]
        self._socket = socket.create_connection(("127.0.0.1", port_of(instance)), timeout=30)
        head = (
            f"POST /v1/run HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n"
            "Expect: 100-continue\r\n\r\n"
        )
        self._socket.sendall(head.encode() + body[:-1])
        # As soon as it is let in, its body is asked for.
        assert self._socket.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"

    def finish(self) -> bytes:
        """Send the last byte, and return the status line."""
        self._socket.sendall(self._last)
        with self._socket:
            return self._socket.recv(1 << 16).partition(b"\r\n")[0]


def port_of(instance: dict[str, Any]) -> int:
    return int(instance["url"].rpartition(":")[2])


Answering = Callable[[bytes], bytes | Iterator[bytes]]


def listening_on(port: int) -> socket.socket | None:
    """A listener; None while another program's connection happens to begin at the port."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return None


class Stranger:
    """A program that listens on a port, keeps what it is sent, and answers each connection's first request, at once or
    piece by piece; with `tls` as a server that speaks TLS."""

    def __init__(self, answering: Answering, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._answering = answering
        self._listener = until(partial(listening_on, port))
        if tls is not None:
            self._listener = tls.wrap_socket(self._listener, server_side=True, do_handshake_on_connect=False)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.heard = b""

    def serve(self) -> None:
        while True:
            try:
                near = self._listener.accept()[0]
            except OSError:  # closed
                return
            with near, suppress(OSError):
                near.settimeout(5)
                request = near.recv(1 << 16)
                self.heard += request
                said = self._answering(request)
                for piece in (said,) if isinstance(said, bytes) else said:
                    near.sendall(piece)
                while more := near.recv(1 << 16):
                    self.heard += more

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def stranger(answering: Answering, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Stranger]:
    listening = Stranger(answering, port, tls)
    threading.Thread(target=listening.serve, daemon=True).start()
    try:
        yield listening
    finally:
        listening.close()


def serve_with(provider: str, code: str, folder: Path, environment: dict[str, str]) -> None:
    """Have the ref served by a provider, such as `waiting:Waiting`, whose module, put into `folder`, has this code."""
    (folder / f"{provider.partition(':')[0]}.py").write_text(code)
    manifest = folder / "work/manifests" / f"{REF}.yaml"
    manifest.parent.mkdir(parents=True)
    bundled = (ROOT / "manifests" / f"{REF}.yaml").read_text()
    manifest.write_text(bundled.replace("provider: litellm", f"provider: {provider}"))
    environment["PYTHONPATH"] = str(folder)
