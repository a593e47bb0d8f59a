"""Connections to started instances, each of which proves whose it is before anything else is sent over it.

The port of an instance that died may be anybody's by now. So every connection begins with `GET /healthz`, whose answer
proves that the server holds the instance's token; what follows goes over the same connection. A server too old to prove
it is believed where its process or container, and nobody else, listens at the instance's URL.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from theoryctl.errors import NotRunning
from theoryctl.instances.instance import Instance
from theoryctl.instances.restart import start_again
from theoryctl_providers.contract import healthz_proof

if TYPE_CHECKING:
    from http.client import HTTPConnection

    from theoryctl.hints import Hint

#: Bytes that the answer of a `/healthz` may have.
_MAX_BYTES = 1 << 16

#: Returns whether the recorded process or container itself listens at the instance's URL.
Listens = Callable[[Instance], bool]


@dataclass(frozen=True, slots=True)
class Health:
    """The answer of an instance about itself: whether it takes requests, or has some to finish before it stops."""

    ready: bool
    draining: bool


def health(instance: Instance, listens: Listens, seconds: float = 2.0) -> Health | None:
    """Return the health of an instance; None where nobody, or somebody else, answers within `seconds`."""
    from contextlib import closing
    from http.client import HTTPException

    with closing(_connection(instance, seconds)) as connection:
        try:
            return _health(connection, instance, listens)
        except (OSError, HTTPException):
            return None


def proves_token(url: str, ref: str, token: str, port: int, seconds: float = 10.0) -> bool:
    """Return whether a server at a public address takes requests, and holds a token.

    `port` is the one that it listens on behind its address, unless its answer says another: there the certificate of
    the address tells whose it is, and the proof only that the token is the server's.
    """
    from http.client import HTTPException
    from urllib.request import urlopen  # which goes through a proxy, where there is one

    nonce = secrets.token_hex(16)
    try:
        with urlopen(f"{url}/healthz?nonce={nonce}", timeout=seconds) as response:
            answer = _object(response.read(_MAX_BYTES + 1))
    except (OSError, HTTPException):
        return False
    if answer is None or answer.get("ref") != ref or answer.get("ready") is not True:
        return False
    told = answer.get("port")
    return _is_proof(answer.get("proof"), token, nonce, told if isinstance(told, int) else port)


def connect(instance: Instance, listens: Listens, seconds: float) -> HTTPConnection:
    """Return a connection to an instance, on which a silence of `seconds` is a time-out.

    Raises NotRunning (`ERR_NOT_RUNNING`) where somebody else answers; OSError and HTTPException where nobody does.
    """
    connection = _connection(instance, seconds)
    try:
        if _health(connection, instance, listens) is None:
            raise _stranger(instance)
    except BaseException:
        connection.close()
        raise
    # Closed by the server, it must not be opened anew behind our back: that one would have proved nothing.
    connection.auto_open = 0
    return connection


def must_be_there(instance: Instance, listens: Listens, seconds: float = 10.0) -> None:
    """Raise NotRunning (`ERR_NOT_RUNNING`) where an instance does not prove within `seconds` that it is there."""
    from http.client import HTTPException

    try:
        connect(instance, listens, seconds).close()
    except (OSError, HTTPException) as error:
        raise gone(instance, start_again(instance), error) from None


def gone(instance: Instance, restart: str | Hint, error: Exception) -> NotRunning:
    """Make the error for an instance that is recorded and does not answer."""
    reason = getattr(error, "strerror", None) or "the connection broke"
    message = f"the recorded instance of {instance.ref} ({instance.where}) does not answer: {reason}"
    return NotRunning(message, hint=restart)


def dead(instance: Instance, restart: str) -> NotRunning:
    """Make the error for an instance whose process or container has ended."""
    return NotRunning(f"the recorded instance of {instance.ref} ({instance.where}) has ended", hint=restart)


def _stranger(instance: Instance) -> NotRunning:
    message = f"at {instance.url} another program answers than the recorded instance of {instance.ref}"
    return NotRunning(f"{message} ({instance.where})", hint=start_again(instance))


def _connection(instance: Instance, seconds: float) -> HTTPConnection:
    import http.client

    address = urlsplit(instance.url)
    return http.client.HTTPConnection(str(address.hostname), address.port, timeout=seconds)


def _health(connection: HTTPConnection, instance: Instance, listens: Listens) -> Health | None:
    """The instance's health; None where the answer is not its own."""
    nonce = secrets.token_hex(16)
    connection.request("GET", f"/healthz?nonce={nonce}")
    response = connection.getresponse()
    answer = _object(response.read(_MAX_BYTES + 1)) if response.status == 200 else None
    if answer is None or answer.get("ref") != instance.ref or not response.isclosed():
        return None
    proof = answer.get("proof")
    if not listens(instance) if proof is None else not _proves(proof, instance, nonce):
        return None
    return Health(ready=answer.get("ready") is True, draining=answer.get("draining") is True)


def _proves(proof: Any, instance: Instance, nonce: str) -> bool:
    return _is_proof(proof, instance.token, nonce, instance.server_port or urlsplit(instance.url).port or 0)


def _is_proof(proof: Any, token: str, nonce: str, port: int) -> bool:
    expected = healthz_proof(token, nonce, port)
    return isinstance(proof, str) and hmac.compare_digest(proof.encode(errors="replace"), expected.encode())


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
