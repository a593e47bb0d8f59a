"""The address of the Docker daemon, found as `docker` finds it: DOCKER_HOST, else the context in use."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from theoryctl.errors import DockerFailed
from theoryctl.hints import NO_IMAGE, again
from theoryctl_providers.contract.files import read_regular

_SOCKET = "/var/run/docker.sock"
_LOCAL = ("", "localhost", "127.0.0.1", "::1")
_EXPECTED = "expected an address such as unix:///PATH or tcp://127.0.0.1:PORT"

#: Bytes that Docker's own settings, or those of a context, may have.
_MAX_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of the files for TLS; the daemon's own certificate is checked where it `verifies`."""

    ca: str
    cert: str
    key: str
    verifies: bool


@dataclass(frozen=True, slots=True)
class Address:
    """An address of a daemon on this machine: the `socket` at a path, or `host` and `port` with the `path` that stands
    before each request. `text` is how `source` (DOCKER_HOST, or a context) writes it; `headers` go with each request.
    """

    text: str
    source: str
    socket: str | None = None
    host: str = ""
    port: int = 0
    path: str = ""
    certificates: Certificates | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.text} ({self.source})"


def find_address(hint: str) -> Address:
    """Find the daemon that `docker` itself would ask.

    Raises DockerFailed (`ERR_DOCKER`) where it is another machine's, where its address cannot be read, and where the
    context in use does not exist.
    """
    settings = _object(_folder() / "config.json")
    if text := os.environ.get("DOCKER_HOST", "").strip():
        source, certificates = "DOCKER_HOST", _certificates_told()
    else:
        text, source, certificates = _context(os.environ.get("DOCKER_CONTEXT") or settings.get("currentContext"))
        certificates = _certificates_told() or certificates
    headers = tuple((str(name), str(value)) for name, value in _mapping(settings, "HttpHeaders").items())
    return _parsed(text, source, certificates, headers, hint)


def is_there() -> bool:
    """Return whether the daemon may be running: its socket exists, or its address is not one of a socket."""
    try:
        socket = find_address("").socket
    except DockerFailed:
        return False
    return socket is None or os.path.exists(socket)


def _parsed(
    text: str, source: str, certificates: Certificates | None, headers: tuple[tuple[str, str], ...], hint: str
) -> Address:
    scheme, found, rest = text.partition("://")
    if not found:
        scheme, rest = "tcp", text
    if scheme in ("unix", "http+unix"):
        return Address(text, source, socket=rest.rstrip("/") or _SOCKET, headers=headers)
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if scheme == "ssh" or (port and host not in _LOCAL):
        raise _elsewhere(text, source)
    if scheme not in ("tcp", "http", "https") or not port:
        raise DockerFailed(f"{source}: {_EXPECTED}, got {text!r}", hint=hint)
    if scheme == "https" and certificates is None:
        certificates = Certificates("", "", "", verifies=True)
    return Address(text, source, None, host or "127.0.0.1", port, parts.path.rstrip("/"), certificates, headers)


def _elsewhere(text: str, source: str) -> DockerFailed:
    """A container of another machine could not be reached on its loopback address."""
    return DockerFailed(
        f"the Docker daemon {text} ({source}) is on another machine, where instances cannot be reached",
        # Where there is another runtime that is the way on; images are built and pushed here alone.
        hint=again(_leave(), runtime="process", **NO_IMAGE),
    )


def _leave() -> str:
    """Return the command after which another daemon is asked."""
    variable = next(filter(os.environ.get, ("DOCKER_HOST", "DOCKER_CONTEXT")), None)
    return f"unset {variable}" if variable else "docker context use default"


def _context(name: Any) -> tuple[str, str, Certificates | None]:
    """Read a context: its address, its name for a person, and its certificates.

    The layout of the files is that of docker/cli, `cli/context/store`: folders called by a digest of the name.
    """
    source = f"context {name or 'default'}"
    if not name or name == "default":
        return f"unix://{_SOCKET}", source, None
    digest = sha256(str(name).encode()).hexdigest()
    file = _folder() / "contexts/meta" / digest / "meta.json"
    if not file.exists():
        told = "DOCKER_CONTEXT" if os.environ.get("DOCKER_CONTEXT") else str(_folder() / "config.json")
        raise DockerFailed(f"{told}: there is no context {name!r}", hint="docker context ls")
    endpoint = _mapping(_mapping(_object(file), "Endpoints"), "docker")
    if not endpoint:
        raise DockerFailed(f"{file}: expected the endpoint of {source}, got none", hint="docker context ls")
    certificates = _certificates_in(_folder() / "contexts/tls" / digest / "docker", not endpoint.get("SkipTLSVerify"))
    return str(endpoint.get("Host") or f"unix://{_SOCKET}"), source, certificates


def _certificates_in(folder: Path, verifies: bool) -> Certificates | None:
    found = Certificates(str(folder / "ca.pem"), str(folder / "cert.pem"), str(folder / "key.pem"), verifies)
    return found if all(map(os.path.isfile, (found.ca, found.cert, found.key))) else None


def _certificates_told() -> Certificates | None:
    """Find the certificates of DOCKER_CERT_PATH, else of Docker's own folder where DOCKER_TLS_VERIFY is set."""
    folder, verifies = os.environ.get("DOCKER_CERT_PATH"), bool(os.environ.get("DOCKER_TLS_VERIFY"))
    if not (folder or verifies):
        return None
    folder = folder or str(_folder())
    return Certificates(f"{folder}/ca.pem", f"{folder}/cert.pem", f"{folder}/key.pem", verifies)


def _folder() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def _object(file: Path) -> dict[str, Any]:
    """Read a JSON object; empty where there is none, as `docker` goes on without its settings."""
    try:
        value = json.loads(read_regular(file, _MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _mapping(of: dict[str, Any], name: str) -> dict[str, Any]:
    value = of.get(name)
    return value if isinstance(value, dict) else {}
