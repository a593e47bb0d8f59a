"""Connections to the Docker daemon: over a socket, a port with or without TLS, or ssh."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, TypeVar

from theoryctl.docker.address import Address, Certificates
from theoryctl.errors import DockerFailed

if TYPE_CHECKING:
    import socket
    from http.client import HTTPConnection
    from ssl import SSLContext

T = TypeVar("T")


@contextmanager
def connection_to(address: Address, seconds: float) -> Iterator[HTTPConnection]:
    """Yield a connection to the daemon at an address, where it says nothing for that long at most.

    Raises DockerFailed for certificates that cannot be used, and where ssh is needed and not there; OSError.
    """
    if not address.ssh:
        with closing(_direct(address, seconds)) as connection:
            yield connection
        return
    from theoryctl.docker.ssh import tunnels

    with (
        tunnels(address.ssh) as opened,
        closing(_over(opened.open(seconds), seconds)) as connection,
        opened.explained(),
    ):
        yield connection


def is_answered(sock: socket.socket, seconds: float) -> bool:
    """Wait so many seconds at most for an answer, or the end of the connection, and return whether it has come.

    Its first byte is taken: nobody can read the answer any more.
    """
    # With TLS 1.3 a socket can be read once the handshake is over, for the tickets of sessions that a server sends
    # (RFC 8446, section 4.6.1): only reading tells.
    sock.settimeout(seconds)
    try:
        sock.recv(1)
    except TimeoutError:
        return False
    except OSError:  # the connection broke off
        return True
    return True


def _direct(address: Address, seconds: float) -> HTTPConnection:
    import http.client

    if address.socket is not None:
        return _over(_unix_socket(address.socket, seconds), seconds)
    if address.certificates is None:
        return http.client.HTTPConnection(address.host, address.port, timeout=seconds)
    tls = tls_context(address, address.certificates)
    return http.client.HTTPSConnection(address.host, address.port, timeout=seconds, context=tls)


def _over(sock: socket.socket, seconds: float) -> HTTPConnection:
    import http.client

    connection = http.client.HTTPConnection("localhost", timeout=seconds)
    connection.sock = sock
    return connection


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
    """Refuse to give a password. OpenSSL would ask for one at the terminal."""
    raise ValueError("the key is encrypted, and no password is asked for")


def _loaded(address: Address, files: str, load: Callable[[], T]) -> T:
    """Raise DockerFailed, with the names of the files, where they cannot be used."""
    try:
        return load()
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        message = f"the certificates for {address} cannot be used: {files}: {getattr(error, 'strerror', None) or error}"
        raise DockerFailed(message, hint="put PEM files there that need no password") from None
