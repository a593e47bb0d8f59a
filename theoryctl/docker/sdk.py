"""Docker's SDK, held to the daemon's API: answers are bounded and of the expected shape; ssh leads to a daemon, too."""

from __future__ import annotations

import json
import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from io import BytesIO
from typing import Any, TypeVar

import docker
import urllib3
from docker.transport.basehttpadapter import BaseHTTPAdapter

from theoryctl.docker.address import Address, Certificates
from theoryctl.docker.client import MAX_ANSWER, SHAPE_ERRORS, TIMEOUT, odd, said
from theoryctl.docker.connection import tls_context
from theoryctl.docker.logins import Logins
from theoryctl.docker.progress_lines import Told, lines, told
from theoryctl.docker.ssh import Tunnels

T = TypeVar("T")


class Api(docker.APIClient):  # type: ignore[misc]
    """An API client of the daemon at `where`, through `tunnels` where its address is one of ssh.

    Raises DockerFailed (`ERR_DOCKER`) for an answer that is too large, no JSON, or of another shape than expected.
    """

    _auth_configs: Any

    def __init__(self, where: Address, version: str, tunnels: Tunnels | None) -> None:
        address = "http+unix://ssh" if where.ssh else where.url
        super().__init__(address, version, TIMEOUT, tls=_tls(where.certificates))
        self._auth_configs = Logins(self._auth_configs)
        self._where = where
        self._open: list[Any] = []
        if tunnels is not None:
            self.mount("http+docker://", _Adapter(tunnels))
        if where.certificates is not None:
            secure = tls_context(where, where.certificates)
            self.get_adapter(self.base_url).poolmanager.connection_pool_kw["ssl_context"] = secure
        # Its daemon is asked directly, and no certificate counts by those whom REQUESTS_CA_BUNDLE trusts.
        self.trust_env = False
        self.hooks["response"].append(self._receive)

    def shaped(self, shape: Callable[[Any], T], value: Any, path: str) -> T:
        """Return what `shape` makes of the answer for a path. Raises DockerFailed where it is another value than it
        expects (a TypeError, ValueError, AttributeError or LookupError)."""
        try:
            return shape(value)
        except SHAPE_ERRORS:
            raise odd(self._where, json.dumps(value).encode(), path) from None

    def close(self) -> None:
        # The SDK leaves those whose answer was broken off or taken over to the garbage collector.
        for part in filter(None, self._open):
            with suppress(ValueError):  # what was taken over has been closed
                part.close()
        super().close()

    def _receive(self, response: Any, *, stream: bool, **_: Any) -> None:
        """Read an answer that is no stream, for the SDK would read one of any size, and stumble over odd ones."""
        self._open += [response.raw, response.raw.connection]
        if stream and response.ok:
            return
        body, path = response.raw.read(MAX_ANSWER + 1, decode_content=True), response.request.path_url
        if len(body) > MAX_ANSWER:
            raise odd(self._where, body, path)
        if not response.ok:
            body = json.dumps({"message": said(body, response.status_code)}).encode()
        elif body:
            self._must_be_json(body, path)
        response.raw = BytesIO(body)

    def _must_be_json(self, body: bytes, path: str) -> None:
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, (dict, list)):
            raise odd(self._where, body, path)

    def _result(self, response: Any, json: bool = False, binary: bool = False) -> Any:
        if json and response.ok and not response.content:
            raise odd(self._where, b"", response.request.path_url)
        return super()._result(response, json, binary)

    def _stream_helper(self, response: Any, decode: bool = False) -> Iterator[Told]:
        """Yield what is told of a build, a pull or a push as it goes on. The SDK would keep what never ends a line."""
        self._raise_for_status(response)
        path = response.request.path_url
        for line in lines(response.raw.stream(1 << 16), partial(odd, self._where, path=path)):
            try:
                yield told(json.loads(line))
            except SHAPE_ERRORS:
                raise odd(self._where, line, path) from None

    def _get_raw_response_socket(self, response: Any) -> Any:
        """Return the connection that an answer hands over."""
        try:
            return super()._get_raw_response_socket(response)
        except AttributeError:  # the SDK takes for granted that there is one
            raise odd(self._where, b"no connection", response.request.path_url) from None

    def _check_is_tty(self, container: str) -> bool:
        return False  # that of no container of ours, and the SDK would ask each time


def _tls(certificates: Certificates | None) -> Any:
    if certificates is None:
        return None
    if not certificates.verifies:  # as Docker's own settings have it
        warnings.filterwarnings("ignore", category=urllib3.exceptions.InsecureRequestWarning)
    pair = (certificates.cert, certificates.key) if certificates.cert else None
    return docker.tls.TLSConfig(pair, certificates.ca or _system_authorities(), certificates.verifies)


def _system_authorities() -> str | None:
    """Find the file of those whom the system trusts, as `docker` does; requests would trust its own list."""
    return ssl.get_default_verify_paths().cafile


class _Connection(urllib3.connection.HTTPConnection):
    def __init__(self, tunnels: Tunnels) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._tunnels = tunnels

    def connect(self) -> None:
        self.sock = self._tunnels.open(TIMEOUT)


class _Pool(urllib3.HTTPConnectionPool):
    def __init__(self, tunnels: Tunnels) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._tunnels = tunnels

    def _new_conn(self) -> _Connection:
        return _Connection(self._tunnels)


class _Adapter(BaseHTTPAdapter):  # type: ignore[misc]
    """Requests through `tunnels`. The SDK's own form takes a package of its own, or sockets that know no time limit."""

    def __init__(self, tunnels: Tunnels) -> None:
        super().__init__()
        self._pool = _Pool(tunnels)

    def get_connection(self, url: str, proxies: Any = None) -> _Pool:
        return self._pool

    def request_url(self, request: Any, proxies: Any) -> str:
        return str(request.path_url)

    def close(self) -> None:
        self._pool.close()
        super().close()
