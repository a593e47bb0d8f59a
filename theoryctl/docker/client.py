"""A small client of the Docker daemon's API, for containers that are there already.

Most commands on an instance ask the daemon two or three things. Docker's SDK takes longer to import than those take to
be answered; it makes containers and images (`docker.daemon`), and whatever comes after goes through this client.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from theoryctl.docker.address import Address, Certificates, find_address
from theoryctl.errors import DockerFailed

if TYPE_CHECKING:
    import socket
    from http.client import HTTPConnection, HTTPResponse
    from ssl import SSLContext

T = TypeVar("T")

#: The parameters of a request.
Query = Mapping[str, str | int]

START_DOCKER = "start Docker, and look with: docker info"

#: Seconds until a daemon that says nothing is given up: at first, and once it has answered. A step of a build or a pull
#: may be silent for as long.
FIRST_TIMEOUT, TIMEOUT = 10, 300

#: Bytes of an odd answer that its error shows.
_SHOWN = 100

#: Bytes that stand before each piece of a container's log: the stream, and the size of the piece as a 32-bit number
#: (Engine API, "Attach to a container", stream format).
_FRAME_HEADER = 8

#: The version of the API since which a log that is followed begins at once: before, the head of the answer came with
#: the first line (moby/moby#47448; `WriteLogStream`, Docker 26.0).
_LOGS_BEGIN_AT_ONCE = (1, 45)

#: The status of an answer that there is no such thing, and of one that it is so already.
_NOT_FOUND, _NOT_MODIFIED = 404, 304


class Refused(DockerFailed):
    """A daemon's refusal, with the HTTP `status` that it gave."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, hint="docker info")
        self.status = status


class Client:
    """Requests to the daemon at an `address`, each over a connection of its own, so that threads may share a client;
    `version` is that of its API.

    Raises Refused for whatever the daemon refuses, and DockerFailed (`ERR_DOCKER`) where it breaks off.
    """

    def __init__(self, address: Address, hint: str) -> None:
        self.address = address
        self.version = ""
        self._hint = hint

    def greet(self) -> None:
        """Ask the daemon for the version of its API, which later requests name."""
        version = ""
        with unless_gone(), self._answer("GET", "/_ping", FIRST_TIMEOUT, trouble="does not answer") as response:
            version = response.headers.get("Api-Version", "")
        if not version:
            raise DockerFailed(f"Docker does not answer at {self.address}: another program does", hint=self._hint)
        self.version = version

    def do(self, method: str, path: str, query: Query | None = None, seconds: float = TIMEOUT) -> None:
        """Have the daemon do something."""
        with self._answer(method, _with(path, query), seconds) as response:
            body = response.read()
        if body:
            self._shaped(lambda value: None, body, path)

    def read(self, path: str, shape: Callable[[Any], T], query: Query | None = None) -> T:
        """Return what `shape` makes of the JSON value of an answer.

        Raises DockerFailed also where it is no JSON, and where `shape` finds that it is another value than it expects
        (a TypeError, ValueError, AttributeError or LookupError).
        """
        with self._answer("GET", _with(path, query), TIMEOUT) as response:
            body = response.read()
        return self._shaped(shape, body, path)

    def _shaped(self, shape: Callable[[Any], T], body: bytes, path: str) -> T:
        try:
            return shape(json.loads(body))
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
            got = body[:_SHOWN].decode(errors="replace") or "nothing"
            message = f"Docker answered oddly, at {self.address}: expected JSON as in its API, got {got!r} for {path}"
            raise DockerFailed(message, hint="docker info") from None

    def log(self, container: str, *, tail: int | None = None, follow: bool = False) -> Generator[bytes]:
        """Yield the pieces of a container's log, of both streams; none where the container has gone.

        Only the last `tail` lines; with `follow` also those to come until the container ends, however long it is
        silent.
        """
        query = {"stdout": 1, "stderr": 1, "tail": "all" if tail is None else tail, "follow": int(follow)}
        path = _with(f"/containers/{container}/logs", query)
        with unless_gone(), self._answer("GET", path, TIMEOUT, endless=follow) as response:
            while piece := self._frame(response):
                yield piece

    def _frame(self, response: HTTPResponse) -> bytes:
        """Read the next piece of a log that is not empty; empty at its end."""
        while header := response.read(_FRAME_HEADER):
            size = int.from_bytes(header[4:], "big")
            piece = response.read(size)
            if len(header) < _FRAME_HEADER or len(piece) < size:
                raise DockerFailed(f"Docker broke off, at {self.address}, within a line of a log", hint=self._hint)
            if piece:
                return piece
        return b""

    @contextmanager
    def _answer(
        self, method: str, path: str, seconds: float, *, endless: bool = False, trouble: str = "closed the connection,"
    ) -> Iterator[HTTPResponse]:
        from http.client import HTTPException

        try:
            with closing(_connection(self.address, seconds)) as connection:
                version = self.version and f"/v{self.version}"
                url = f"{self.address.path}{version}{path}"
                connection.request(method, url, headers=dict(self.address.headers))
                # The answer takes it over where it is the last one of the connection.
                sock = connection.sock
                if endless and not self._logs_begin_at_once():
                    sock.settimeout(None)
                with connection.getresponse() as response:
                    self._must_be_granted(response)
                    if endless:
                        sock.settimeout(None)
                    yield response
        except (OSError, HTTPException, ValueError) as error:
            message = f"Docker {trouble} at {self.address}: {getattr(error, 'strerror', None) or error}"
            raise DockerFailed(message, hint=self._hint) from None

    def _logs_begin_at_once(self) -> bool:
        numbers = self.version.split(".")
        return all(map(str.isdecimal, numbers)) and tuple(map(int, numbers)) >= _LOGS_BEGIN_AT_ONCE

    def _must_be_granted(self, response: HTTPResponse) -> None:
        if response.status >= 300 and response.status != _NOT_MODIFIED:
            raise Refused(f"Docker refused, at {self.address}: {_words(response)}", response.status)


def connect(hint: str = START_DOCKER) -> Client:
    """Return a client of the daemon that `docker` itself would ask.

    Raises DockerFailed (`ERR_DOCKER`) where none answers, and where it is another machine's.
    """
    client = Client(find_address(hint), hint)
    client.greet()
    return client


@contextmanager
def unless_gone() -> Iterator[None]:
    """Leave the block where the daemon says that there is no such thing."""
    try:
        yield
    except Refused as refused:
        if refused.status != _NOT_FOUND:
            raise


def _words(response: HTTPResponse) -> str:
    """The daemon's own words."""
    body = response.read(1 << 16)
    try:
        return str(json.loads(body)["message"]).strip()
    except (ValueError, KeyError, TypeError, RecursionError):
        return body.decode(errors="replace").strip() or f"status {response.status}"


def _with(path: str, query: Query | None) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _connection(address: Address, seconds: float) -> HTTPConnection:
    import http.client

    if address.socket is not None:
        connection = http.client.HTTPConnection("localhost", timeout=seconds)
        connection.sock = _unix_socket(address.socket, seconds)
        return connection
    if address.certificates is None:
        return http.client.HTTPConnection(address.host, address.port, timeout=seconds)
    tls = tls_context(address, address.certificates)
    return http.client.HTTPSConnection(address.host, address.port, timeout=seconds, context=tls)


def _unix_socket(path: str, seconds: float) -> socket.socket:
    import socket

    connected = socket.socket(socket.AF_UNIX)
    try:
        connected.settimeout(seconds)
        connected.connect(path)
    except BaseException:
        connected.close()
        raise
    return connected


def tls_context(address: Address, certificates: Certificates) -> SSLContext:
    """Return what TLS with the daemon wants. Raises DockerFailed, with the names of files that cannot be used."""
    import ssl

    context = ssl.create_default_context()
    if not certificates.verifies:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    elif certificates.ca:
        context = _loaded(address, certificates.ca, lambda: ssl.create_default_context(cafile=certificates.ca))
    if certificates.cert:
        cert, key = certificates.cert, certificates.key
        _loaded(address, f"{cert} with {key}", lambda: context.load_cert_chain(cert, key, password=_no_password))
    # Since 3.13 Python wants an extension for key usage, which an authority made by Docker's own guide has not
    # (docs.docker.com/engine/security/protect-access); `docker` wants none.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _no_password() -> bytes:
    """Without this OpenSSL would ask for the password of a key at the terminal."""
    raise ValueError("the key is encrypted, and no password is asked for")


def _loaded(address: Address, files: str, load: Callable[[], T]) -> T:
    """Raise DockerFailed, with the names of the files, where they cannot be used."""
    try:
        return load()
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        message = f"the certificates for {address} cannot be used: {files}: {getattr(error, 'strerror', None) or error}"
        raise DockerFailed(message, hint="put PEM files there that need no password") from None
