"""TLS with a Docker daemon, by which files and variables `docker` itself would speak it."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from tests.actions.running import Stranger, error, stranger
from tests.actions.test_docker_daemon import PING, STOP, answer, container, last
from tests.certificates import certificates
from tests.conftest import Cli
from tests.waiting import until
from theoryctl.docker.address import find_address
from theoryctl.docker.client import connect
from theoryctl.docker.daemon import connected, platform_of

__all__ = ["container"]

GONE = answer(b'{"message": "No such container"}', "404 Not Found")


def daemon(request: bytes) -> bytes:
    """Answer as a daemon that has no containers."""
    path = request.split()[1]
    if path.endswith(b"/version"):
        return last(answer(b'{"Os": "linux", "Arch": "amd64"}'))
    return PING if path == b"/_ping" else answer(b"[]") if b"/containers/json" in path else GONE


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with an authority's `ca.pem`; beside it the server's `pair.pem`, for localhost."""
    authority, _ = certificates(tmp_path, "localhost")
    folder = tmp_path / "files"
    folder.mkdir()
    authority.rename(folder / "ca.pem")
    return folder


@pytest.fixture
def secured(files: Path) -> Iterator[Stranger]:
    with stranger(daemon, tls=server_context(files)) as other:
        yield other


def server_context(files: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.parent / "pair.pem")
    return context


def at(other: Stranger) -> str:
    return other.url.replace("http://127.0.0.1", "tcp://localhost")


def context(folder: Path, address: str, *, skips: bool, ca: Path | None) -> dict[str, str]:
    """Make a context of Docker's, and return the variables that lead to it."""
    name = sha256(b"own").hexdigest()
    meta, tls = folder / "contexts/meta" / name, folder / "contexts/tls" / name / "docker"
    for each in (meta, tls):
        each.mkdir(parents=True)
    endpoint = {"Host": address, "SkipTLSVerify": skips}
    (meta / "meta.json").write_text(json.dumps({"Name": "own", "Endpoints": {"docker": endpoint}}))
    if ca:
        (tls / "ca.pem").write_bytes(ca.read_bytes())
    return {"DOCKER_HOST": "", "DOCKER_CONFIG": str(folder), "DOCKER_CONTEXT": "own"}


WAYS = ("DOCKER_TLS_VERIFY", "DOCKER_TLS", "context's authority", "context that skips")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, secured: Stranger, files: Path, tmp_path: Path) -> dict[str, str]:
    """The variables of one way to a daemon that asks for no certificate."""
    if request.param.startswith("DOCKER"):
        return {"DOCKER_HOST": at(secured), "DOCKER_CERT_PATH": str(files), request.param: "1"}
    skips = request.param == "context that skips"
    return context(tmp_path / "docker", at(secured), skips=skips, ca=None if skips else files / "ca.pem")


def test_tls_needs_no_certificate_of_the_client(
    cli: Cli, container: Path, secured: Stranger, way: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli(*STOP, env=way).status == 0
    assert b"GET /_ping" in secured.heard
    for name, value in way.items():
        monkeypatch.setenv(name, value)
    with connected() as api:
        assert platform_of(api) == "linux/amd64"


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_an_answer_is_waited_for_until_it_has_come(monkeypatch: pytest.MonkeyPatch, files: Path, tls: bool) -> None:
    done = Event()

    def late(request: bytes) -> bytes | Iterator[bytes]:
        return (last(GONE) for _ in (0,) if done.wait(20)) if request.startswith(b"DELETE") else last(PING)

    with stranger(late, tls=server_context(files) if tls else None) as other:
        for name, value in {"DOCKER_HOST": at(other), "DOCKER_CERT_PATH": str(files), "DOCKER_TLS": "1"}.items():
            if tls or name == "DOCKER_HOST":
                monkeypatch.setenv(name, value)
        with connect().begin("DELETE", "/networks/some") as answered:
            # By then the tickets of TLS 1.3 have come.
            until(lambda: b"DELETE" in other.heard)
            assert not answered(0.01)
            done.set()
            assert answered(20)


def test_a_folder_of_certificates_alone_asks_for_no_tls(cli: Cli, container: Path, files: Path) -> None:
    with stranger(daemon) as other:
        assert cli(*STOP, env={"DOCKER_HOST": at(other), "DOCKER_CERT_PATH": str(files)}).status == 0


def test_variables_of_tls_do_not_change_a_context(cli: Cli, container: Path, files: Path, tmp_path: Path) -> None:
    with stranger(daemon) as other:
        env = context(tmp_path / "docker", at(other), skips=False, ca=None)
        assert cli(*STOP, env={**env, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(files)}).status == 0


def test_a_daemon_by_another_authority_is_refused(cli: Cli, container: Path, secured: Stranger, files: Path) -> None:
    other, _ = certificates(files, "localhost")
    other.rename(files / "ca.pem")
    ran = cli(*STOP, env={"DOCKER_HOST": at(secured), "DOCKER_CERT_PATH": str(files), "DOCKER_TLS_VERIFY": "1"})
    assert error(ran) == (5, "ERR_DOCKER")
    assert "certificate verify failed" in ran.document["error"]["message"]


def encrypted(files: Path) -> None:
    pair = (files.parent / "pair.pem").read_bytes()
    key: Any = serialization.load_pem_private_key(pair, None)
    hidden = serialization.BestAvailableEncryption(b"password")
    form = serialization.PrivateFormat.PKCS8
    (files / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, hidden))
    (files / "cert.pem").write_bytes(pair)


def no_pem(files: Path) -> None:
    for name in ("key.pem", "cert.pem"):
        (files / name).write_text("none")


UNUSABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no authority": (lambda files: (files / "ca.pem").unlink(), "ca.pem, got no such file"),
    "an empty authority": (lambda files: (files / "ca.pem").write_text(""), "ca.pem: "),
    "an encrypted key": (encrypted, "key.pem: the key is encrypted, and no password is asked for"),
    "no PEM": (no_pem, "key.pem: "),
}


@pytest.mark.parametrize("case", UNUSABLE)
@pytest.mark.parametrize("command", [STOP, ("image", "build", "--ref", "llm/mock@1", "--json")], ids=["stop", "build"])
def test_certificates_that_cannot_be_used_are_named(
    cli: Cli, container: Path, secured: Stranger, files: Path, case: str, command: tuple[str, ...]
) -> None:
    spoil, said = UNUSABLE[case]
    spoil(files)
    ran = cli(*command, env={"DOCKER_HOST": at(secured), "DOCKER_CERT_PATH": str(files), "DOCKER_TLS_VERIFY": "1"})
    assert error(ran) == (5, "ERR_DOCKER")
    assert f"{files}/" in ran.document["error"]["message"]
    assert said in ran.document["error"]["message"]
    assert "PEM files" in ran.document["error"]["hint"] or "DOCKER_CERT_PATH" in ran.document["error"]["hint"]
    assert secured.heard == b""


@pytest.mark.parametrize(
    ("told", "url"),
    [
        ("tcp://localhost", "tcp://localhost:2375"),
        ("localhost", "tcp://localhost:2375"),
        ("tcp://127.0.0.1/below", "tcp://127.0.0.1:2375/below"),
        ("tcp://[::1]", "tcp://[::1]:2375"),
        ("tcp://:7", "tcp://localhost:7"),
    ],
)
def test_an_address_without_a_port_has_dockers_own(monkeypatch: pytest.MonkeyPatch, told: str, url: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", told)
    assert find_address("").url == url


def test_tls_without_an_address_is_dockers_own_port_for_it(monkeypatch: pytest.MonkeyPatch, files: Path) -> None:
    for name in [name for name in os.environ if name.startswith("DOCKER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DOCKER_CONFIG", str(files))
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    assert find_address("").url == "tcp://localhost:2376"
