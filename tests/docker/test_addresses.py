"""The ways to a daemon: its socket, a port of this machine, and TLS, by the environment and by a context."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from shutil import copy

import pytest

from tests.certificates import certificates
from tests.conftest import REF, Cli
from tests.docker.conftest import Daemon, error
from tests.test_startup import loaded_after

START = ("local", "start", "--ref", REF, "--runtime", "docker", "--json")


@contextmanager
def forwarded(path: str, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Pass connections to a port of this machine on to a socket's path, and yield the port."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        thread = threading.Thread(target=accept, args=(server, path, context))
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.shutdown, socket.SHUT_RDWR)
        yield server.getsockname()[1]


def accept(server: socket.socket, path: str, context: ssl.SSLContext | None) -> None:
    with suppress(OSError):
        while True:
            threading.Thread(target=serve, args=(server.accept()[0], path, context), daemon=True).start()


def serve(client: socket.socket, path: str, context: ssl.SSLContext | None) -> None:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as daemon:
        daemon.connect(path)
        with context.wrap_socket(client, server_side=True) if context else client as outer:
            back = threading.Thread(target=copied, args=(daemon, outer))
            back.start()
            copied(outer, daemon)
            back.join()


def copied(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def path(docker: dict[str, str]) -> str:
    return docker["DOCKER_HOST"].removeprefix("unix://")


@pytest.fixture
def client_files(tmp_path: Path) -> Path:
    """A folder with `ca.pem`, `cert.pem` and `key.pem`, for the server and for its clients."""
    authority, pair = certificates(tmp_path, "localhost")
    folder = tmp_path / "certificates"
    folder.mkdir()
    for source, name in ((authority, "ca.pem"), (pair, "cert.pem"), (pair, "key.pem")):
        copy(source, folder / name)
    return folder


@pytest.fixture
def tls_port(path: str, client_files: Path) -> Iterator[int]:
    """A port that speaks TLS, with clients that have a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(client_files / "cert.pem", client_files / "key.pem")
    context.load_verify_locations(client_files / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with forwarded(path, context) as port:
        yield port


def lives_and_ends(cli: Cli, daemon: Daemon, env: dict[str, str]) -> None:
    started = cli(*START, env=env)
    assert started.status == 0, started.err
    (row,) = cli("local", "status", "--json", env=env).document["instances"]
    assert (row["state"], row["healthy"]) == ("running", True)
    assert row["memory_bytes"] > 1 << 20
    assert cli("local", "run", "--ref", REF, "--json", env=env).document["runtime"] == "docker"
    assert "/v1/run" in cli("local", "logs", "--ref", REF, "--json", env=env).out
    assert cli("local", "stop", "--all", env=env).out == f"stopped {REF} (docker)\n"
    assert started.document["container"][:12] not in daemon("ps", "--all", "--quiet")


def test_a_daemon_on_a_port_of_this_machine_is_as_good_as_its_socket(cli: Cli, daemon: Daemon, path: str) -> None:
    with forwarded(path) as port:
        lives_and_ends(cli, daemon, {"DOCKER_HOST": f"tcp://127.0.0.1:{port}"})


def test_tls_goes_by_the_certificates_of_the_environment(
    cli: Cli, daemon: Daemon, tls_port: int, client_files: Path, tmp_path: Path
) -> None:
    host = {"DOCKER_HOST": f"tcp://localhost:{tls_port}"}
    told = {**host, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(client_files)}
    # For other servers; requests, and the SDK with it, would judge the daemon by it as well.
    bundle, _ = certificates(tmp_path, "elsewhere")
    lives_and_ends(cli, daemon, {**told, "REQUESTS_CA_BUNDLE": str(bundle)})
    copy(bundle, client_files / "ca.pem")
    refused = cli(*START, env=told)
    assert error(refused) == (5, "ERR_DOCKER")
    assert f"localhost:{tls_port} (DOCKER_HOST): " in refused.document["error"]["message"]
    assert "certificate verify failed" in refused.document["error"]["message"]


def test_tls_goes_by_the_certificates_of_a_context(
    cli: Cli, daemon: Daemon, tls_port: int, client_files: Path, tmp_path: Path
) -> None:
    away = {"DOCKER_HOST": "", "DOCKER_CONFIG": str(tmp_path / "docker")}
    files = ",".join(f"{name}={client_files}/{name}.pem" for name in ("ca", "cert", "key"))
    subprocess.run(
        ["docker", "context", "create", "tls", "--docker", f"host=tcp://localhost:{tls_port},{files}"],
        env={**os.environ, **away}, check=True, capture_output=True,
    )  # fmt: skip
    lives_and_ends(cli, daemon, {**away, "DOCKER_CONTEXT": "tls"})


@pytest.mark.parametrize("command", [("status",), ("logs", "--ref", REF), ("stop", "--ref", REF)], ids="-".join)
def test_a_look_at_a_container_and_its_end_load_no_sdk(
    cli: Cli, environment: dict[str, str], command: tuple[str, ...]
) -> None:
    assert cli(*START).status == 0
    loaded = loaded_after(["local", *command], environment, times=1)
    assert "theoryctl.docker.client" in loaded
    assert not loaded & {"docker", "requests", "urllib3"}
