"""A small client of the Docker daemon's API, for containers that are there already.

Most commands on an instance ask the daemon two or three things. Docker's SDK takes longer to import than those take to
be answered; it makes containers and images (`docker.daemon`), and whatever comes after goes through this client.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from theoryctl.docker.address import Address, elsewhere, find_address
from theoryctl.docker.connection import connection_to, is_answered
from theoryctl.errors import DockerFailed

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

T = TypeVar("T")

#: The parameters of a request.
Query = Mapping[str, str | int]

START_DOCKER = "start Docker, and look with: docker info"

#: Seconds until a daemon that says nothing is given up: at first, through ssh, which itself waits for 30, and once it
#: has answered. A step of a build or a pull may be silent for as long.
FIRST_TIMEOUT, SSH_TIMEOUT, TIMEOUT = 10, 40, 300

#: Bytes that an answer may have that is no stream.
MAX_ANSWER = 1 << 24

#: The errors of reading a value that has another shape than expected.
SHAPE_ERRORS = (ValueError, TypeError, AttributeError, LookupError, RecursionError, OverflowError)

#: Bytes of an odd answer, and of a refusal, that an error shows.
_SHOWN, _MAX_WORDS = 100, 2000

#: Bytes that stand before each piece of a container's log: the stream, and the size of the piece as a 32-bit number
#: (Engine API, "Attach to a container", stream format).
_FRAME_HEADER = 8

_VERSION = r"\d{1,9}(\.\d{1,9})+"

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
        """Ask the daemon for the version of its API, which later requests name.

        Raises DockerFailed, also where another program answers.
        """
        version = ""
        seconds = SSH_TIMEOUT if self.address.ssh else FIRST_TIMEOUT
        with unless_gone(), self._answer("GET", "/_ping", seconds, trouble="does not answer") as response:
            version = response.headers.get("Api-Version", "")
        if not re.fullmatch(_VERSION, version):
            raise DockerFailed(f"Docker does not answer at {self.address}: another program does", hint=self._hint)
        self.version = version

    def do(self, method: str, path: str, query: Query | None = None, seconds: float = TIMEOUT) -> None:
        """Have the daemon do something."""
        with self._answer(method, _with(path, query), seconds) as response:
            body = self._whole(response, path)
        if body:
            self._shaped(lambda value: None, body, path)

    def read(self, path: str, shape: Callable[[Any], T], query: Query | None = None) -> T:
        """Return what `shape` makes of the JSON value of an answer.

        Raises DockerFailed also where it is no JSON, and where `shape` finds that it is another value than it expects
        (a TypeError, ValueError, AttributeError or LookupError).
        """
        with self._answer("GET", _with(path, query), TIMEOUT) as response:
            body = self._whole(response, path)
        return self._shaped(shape, body, path)

    @contextmanager
    def begin(self, method: str, path: str) -> Iterator[Callable[[float], bool]]:
        """Have the daemon begin something, and hang up at the end of the block, which stops nothing.

        Yields a function that waits so many seconds for the answer, and returns whether it has come.
        """
        with self._sent(method, path, TIMEOUT) as connection:
            yield partial(is_answered, connection.sock)

    def _whole(self, response: HTTPResponse, path: str) -> bytes:
        body = response.read(MAX_ANSWER + 1)
        if len(body) > MAX_ANSWER:
            raise odd(self.address, body, path)
        return body

    def _shaped(self, shape: Callable[[Any], T], body: bytes, path: str) -> T:
        try:
            return shape(json.loads(body))
        except SHAPE_ERRORS:
            raise odd(self.address, body, path) from None

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
            piece = response.read(size) if size <= MAX_ANSWER else b""
            if len(header) < _FRAME_HEADER or len(piece) < size:
                raise DockerFailed(f"Docker broke off, at {self.address}, within a line of a log", hint=self._hint)
            if piece:
                return piece
        return b""

    @contextmanager
    def _answer(
        self, method: str, path: str, seconds: float, *, endless: bool = False, trouble: str = "closed the connection,"
    ) -> Iterator[HTTPResponse]:
        with self._sent(method, path, seconds, trouble) as connection:
            # The answer takes it over where it is the last one of the connection.
            sock = connection.sock
            if endless and not self._logs_begin_at_once():
                sock.settimeout(None)
            with connection.getresponse() as response:
                self._must_be_granted(response)
                if endless:
                    sock.settimeout(None)
                yield response

    @contextmanager
    def _sent(
        self, method: str, path: str, seconds: float, trouble: str = "closed the connection,"
    ) -> Iterator[HTTPConnection]:
        """Yield a connection on which a request is sent."""
        from http.client import HTTPException

        try:
            with connection_to(self.address, seconds) as connection:
                version = self.version and f"/v{self.version}"
                connection.request(method, f"{self.address.path}{version}{path}", headers=dict(self.address.headers))
                yield connection
        except (OSError, HTTPException, ValueError) as error:
            message = f"Docker {trouble} at {self.address}: {getattr(error, 'strerror', None) or error}"
            raise DockerFailed(message, hint=self._hint) from None

    def _logs_begin_at_once(self) -> bool:
        numbers = self.version.split(".")
        return all(map(str.isdecimal, numbers)) and tuple(map(int, numbers)) >= _LOGS_BEGIN_AT_ONCE

    def _must_be_granted(self, response: HTTPResponse) -> None:
        if response.status >= 300 and response.status != _NOT_MODIFIED:
            words = said(response.read(1 << 16), response.status)
            raise Refused(f"Docker refused, at {self.address}: {words}", response.status)


def connect(hint: str = START_DOCKER) -> Client:
    """Return a client of the daemon that `docker` itself would ask, for containers that are reached at its ports.

    Raises DockerFailed (`ERR_DOCKER`) where none answers, and where it is another machine's.
    """
    address = find_address(hint)
    if address.is_elsewhere:
        raise elsewhere(address)
    return greeted(address, hint)


def greeted(address: Address, hint: str) -> Client:
    """Return a client of the daemon at an address, which has answered. Raises DockerFailed (`ERR_DOCKER`)."""
    client = Client(address, hint)
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


def said(body: bytes, status: int) -> str:
    """Return the daemon's own words in a refusal."""
    try:
        words = str(json.loads(body)["message"]).strip()
    except SHAPE_ERRORS:
        words = body.decode(errors="replace").strip()
    return words[:_MAX_WORDS] or f"status {status}"


def odd(address: Address, got: bytes, path: str) -> DockerFailed:
    """Return the error that the answer for a path is not one of Docker's API."""
    shown = got[:_SHOWN].decode(errors="replace") or "nothing"
    large = f" of more than {MAX_ANSWER >> 20} MiB" if len(got) > MAX_ANSWER else ""
    return DockerFailed(
        f"Docker answered oddly, at {address}: expected JSON as in its API, got {shown!r}{large} for {path}",
        hint="docker info",
    )


def text(value: Any) -> str:
    """Return a value that has to be a text. Raises TypeError for another."""
    if not isinstance(value, str):
        raise TypeError
    return value


def _with(path: str, query: Query | None) -> str:
    return f"{path}?{urlencode(query)}" if query else path
