"""A session with a started instance: its requests over HTTP, on connections that are kept from one to the next."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator
from typing import TYPE_CHECKING

from theoryctl.instances.connection import Listens, connect, gone
from theoryctl.instances.instance import Instance
from theoryctl.instances.sent import MOST_REFUSAL, SLACK, check_sizes, encoded, refusal
from theoryctl_providers.contract import (
    ANSWER_WHOLE,
    AS_IT_COMES,
    Event,
    ProviderError,
    Remedy,
    Request,
    Result,
    read_events,
)
from theoryctl_providers.contract.wire import NO_RETRIES, RETRIES_HEADER

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

#: Seconds for which an idle connection is used again. The server keeps one for 30: none is closed while we send on it,
#: for then nobody would know whether the request was run, and it is never sent a second time.
KEPT = 20.0
#: The longest time-out of a connection in seconds: with a few times more, the system's clock is at its end.
LONGEST = 1e9

#: Bytes of an event, at most: of an image in a result, mostly.
_LONGEST_LINE = 256 << 20


class InstanceSession:
    """Requests to one instance, in turn or from several threads at once."""

    def __init__(self, instance: Instance, restart: str, listens: Listens) -> None:
        """Begin without connecting; `restart` is the command that brings a dead instance back, and `listens` is asked
        where the instance cannot prove itself."""
        self.where = f"{instance.where}: {instance.url}"
        self._instance, self._restart, self._listens = instance, restart, listens
        self._idle: deque[tuple[HTTPConnection, float]] = deque()

    def ask(self, request: Request) -> Generator[Event, None, None]:
        """Yield the events of one request, the last one a `Result`. Closing the generator cancels the call.

        Raises NotRunning when nobody answers or the answer breaks off, and ProviderError with the instance's own code
        when it refuses the request.
        """
        import http.client

        check_sizes(self._instance, request)
        seconds = min((request.timeout or request.config.timeout or 60.0) + SLACK, LONGEST)
        connection, kept = None, False
        try:
            connection = self._connection(seconds)
            response = self._send(connection, request)
            for event in read_events(iter(lambda: response.readline(_LONGEST_LINE), b"")):
                # Whoever has the result asks no further, so the connection is free before it is handed out.
                kept = isinstance(event, Result) and self._keep(connection, response)
                yield event
        except TimeoutError:
            message = f"the instance of {self._instance.ref} said nothing for {seconds:g} s"
            raise ProviderError("ERR_TIMEOUT", message, hint=Remedy.MORE_TIME) from None
        except (OSError, http.client.HTTPException) as error:
            raise gone(self._instance, self._restart, error) from None
        finally:
            if connection is not None and not kept:
                connection.close()

    def close(self) -> None:
        """Close the connections that are idle; one in use closes with its request."""
        while self._idle:
            self._idle.pop()[0].close()

    def _connection(self, seconds: float) -> HTTPConnection:
        """A connection on which a silence of so many seconds is a time-out: the one used last, or a new one."""
        from contextlib import suppress

        with suppress(IndexError):
            while True:
                connection, since = self._idle.pop()
                if time.monotonic() - since < KEPT and _is_open(connection):
                    connection.sock.settimeout(seconds)
                    return connection
                connection.close()
        return connect(self._instance, self._listens, seconds)

    def _send(self, connection: HTTPConnection, request: Request) -> HTTPResponse:
        """The instance's answer, which has begun. Raises ProviderError for a refusal."""
        from contextlib import suppress

        headers, body = encoded(request)
        headers |= {
            "Authorization": f"Bearer {self._instance.token}",
            "Accept": AS_IT_COMES if request.streamed else ANSWER_WHOLE,
        }
        if not request.retries:
            headers[RETRIES_HEADER] = NO_RETRIES
        with suppress(BrokenPipeError, ConnectionResetError):  # it may say why it wants no more
            connection.request("POST", "/v1/run", body, headers)
        response = connection.getresponse()
        if response.status != 200:
            with response:
                raise refusal(response.read(MOST_REFUSAL), response.status)
        return response

    def _keep(self, connection: HTTPConnection, response: HTTPResponse) -> bool:
        """Read the end of an answer whose result is known; False where the connection ends with it."""
        import http.client

        try:
            if response.read(1):
                return False
        except (OSError, http.client.HTTPException):
            return False
        if connection.sock is not None:
            self._idle.append((connection, time.monotonic()))
        return connection.sock is not None


def _is_open(connection: HTTPConnection) -> bool:
    """Tell whether an idle connection can be used: one that has something to say, if only its end, cannot."""
    from socket import MSG_PEEK

    connection.sock.setblocking(False)
    try:
        connection.sock.recv(1, MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
