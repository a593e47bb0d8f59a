"""The address of the Docker daemon, found as `docker` finds it: DOCKER_HOST, else the context in use."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from theoryctl.errors import DockerFailed
from theoryctl.hints import NO_IMAGE, again
from theoryctl_providers.contract.files import read_regular

_SOCKET = "/var/run/docker.sock"
#: The ports that `docker` takes where an address has none, and where there is TLS and no address.
_PORT, _TLS_PORT = 2375, 2376
_LOCAL = ("", "localhost", "127.0.0.1", "::1")
_EXPECTED = "expected an address such as unix:///PATH or tcp://127.0.0.1:PORT"

#: Bytes that Docker's own settings, or those of a context, may have.
_MAX_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of the files for TLS, each empty where there is none: `ca` checks the daemon's own certificate, else the
    system's authorities do, where it `verifies`; `cert` comes with its `key`.
    """

    ca: str
    cert: str
    key: str
    verifies: bool


@dataclass(frozen=True, slots=True)
class Address:
    """An address of a daemon: the `socket` at a path, the command of an `ssh` that leads to it, or `host` and `port`
    with the `path` that stands before each request. `text` is how `source` (DOCKER_HOST, or a context) writes it;
    `headers` go with each request.
    """

    text: str
    source: str
    socket: str | None = None
    ssh: tuple[str, ...] = ()
    host: str = ""
    port: int = 0
    path: str = ""
    certificates: Certificates | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.text} ({self.source})"

    @property
    def url(self) -> str:
        """The address in its full form, with a scheme and a port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.text if self.socket is not None else f"tcp://{host}:{self.port}{self.path}"

    @property
    def is_elsewhere(self) -> bool:
        """Return whether the daemon is another machine's, whose loopback address is not reached from here."""
        return bool(self.ssh) or self.host not in _LOCAL


def find_address(hint: str) -> Address:
    """Find the daemon that `docker` itself would ask.

    Raises DockerFailed (`ERR_DOCKER`) where its address cannot be read, and where the context in use does not exist.
    """
    settings = _object(_folder() / "config.json")
    name = os.environ.get("DOCKER_CONTEXT") or settings.get("currentContext") or "default"
    if (told := os.environ.get("DOCKER_HOST", "").strip()) or name == "default":
        text, source, certificates = _of_environment(told)
    else:
        text, source, certificates = _context(name)
    headers = tuple((str(name), str(value)) for name, value in _mapping(settings, "HttpHeaders").items())
    return _parsed(text, source, certificates, headers, hint)


def is_there() -> bool:
    """Return whether a daemon of this machine may be running: its socket exists, or its address is none of a socket."""
    try:
        found = find_address("")
    except DockerFailed:
        return False
    return not found.is_elsewhere if found.socket is None else os.path.exists(found.socket)


def _parsed(
    text: str, source: str, certificates: Certificates | None, headers: tuple[tuple[str, str], ...], hint: str
) -> Address:
    scheme, found, rest = text.partition("://")
    if not found:
        scheme, rest = "tcp", text
    if scheme in ("unix", "http+unix"):
        return Address(text, source, socket=rest.rstrip("/") or _SOCKET, headers=headers)
    if scheme == "ssh":
        return Address(text, source, ssh=_ssh(text, source), headers=headers)
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = None, None
    if scheme == "tcp" and port is None and host in _LOCAL:
        port, text = _PORT, f"tcp://{parts.netloc.rstrip(':') or 'localhost'}:{_PORT}{parts.path}"
    if scheme not in ("tcp", "http", "https") or not port:
        raise DockerFailed(f"{source}: {_EXPECTED}, got {text!r}", hint=hint)
    if certificates is not None:
        _must_be_there(certificates.ca, source)
    if scheme == "https" and certificates is None:
        certificates = Certificates("", "", "", verifies=True)
    return Address(text, source, None, (), host or "localhost", port, parts.path.rstrip("/"), certificates, headers)


def _ssh(text: str, source: str) -> tuple[str, ...]:
    from theoryctl.docker.ssh import command_of

    try:
        return command_of(text)
    except ValueError as error:
        raise DockerFailed(f"{source}: {error}", hint=leave()) from None


def _must_be_there(ca: str, source: str) -> None:
    if ca and not os.path.isfile(ca):
        raise DockerFailed(
            f"{source}: expected the certificate of the daemon's authority in {ca}, got no such file",
            hint="put the file there, or set DOCKER_CERT_PATH to the folder with it",
        )


def elsewhere(address: Address) -> DockerFailed:
    """Return the error that a provider cannot be started with the daemon of another machine."""
    return DockerFailed(
        f"the Docker daemon {address} is on another machine, where instances cannot be reached: their ports would be"
        " open to that machine alone",
        # Where there is another runtime that is the way on.
        hint=again(leave(), runtime="process", **NO_IMAGE),
    )


def leave() -> str:
    """Return the command after which another daemon is asked."""
    variable = next(filter(os.environ.get, ("DOCKER_HOST", "DOCKER_CONTEXT")), None)
    return f"unset {variable}" if variable else "docker context use default"


def _context(name: Any) -> tuple[str, str, Certificates | None]:
    """Read a context: its address, its name for a person, and its certificates.

    The layout of the files is that of docker/cli, `cli/context/store`: folders called by a digest of the name.
    """
    source = f"context {name}"
    digest = sha256(str(name).encode()).hexdigest()
    file = _folder() / "contexts/meta" / digest / "meta.json"
    if not file.exists():
        told = "DOCKER_CONTEXT" if os.environ.get("DOCKER_CONTEXT") else str(_folder() / "config.json")
        raise DockerFailed(f"{told}: there is no context {name!r}", hint="docker context ls")
    endpoint = _mapping(_mapping(_object(file), "Endpoints"), "docker")
    if not endpoint:
        raise DockerFailed(f"{file}: expected the endpoint of {source}, got none", hint="docker context ls")
    skips = bool(endpoint.get("SkipTLSVerify"))
    certificates = _certificates_in(_folder() / "contexts/tls" / digest / "docker", verifies=not skips)
    wants_tls = skips or certificates.ca or certificates.cert
    return str(endpoint.get("Host") or f"unix://{_SOCKET}"), source, certificates if wants_tls else None


def _of_environment(host: str) -> tuple[str, str, Certificates | None]:
    """Read the default context: the address, how it is named to a person, and the certificates.

    DOCKER_TLS is TLS with a daemon that is not verified; DOCKER_CERT_PATH alone asks for no TLS. As docker/cli does it
    (`cli/flags/options.go`; tried with 28.2): without `ca.pem` it gives up, without `cert.pem` or `key.pem` it goes on.
    """
    verifies = bool(os.environ.get("DOCKER_TLS_VERIFY"))
    source = "DOCKER_HOST" if host else "context default"
    if not (verifies or os.environ.get("DOCKER_TLS")):
        return host or f"unix://{_SOCKET}", source, None
    folder = Path(os.environ.get("DOCKER_CERT_PATH") or _folder())
    found = _certificates_in(folder, verifies)
    return host or f"tcp://localhost:{_TLS_PORT}", source, replace(found, ca=str(folder / "ca.pem"))


def _certificates_in(folder: Path, verifies: bool) -> Certificates:
    ca, cert, key = (
        str(folder / name) if (folder / name).is_file() else "" for name in ("ca.pem", "cert.pem", "key.pem")
    )
    return Certificates(ca, cert, key, verifies) if cert and key else Certificates(ca, "", "", verifies)


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
