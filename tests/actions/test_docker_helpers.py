"""Credential helpers that print something else than a login: a failure of theirs, told without their words."""

from __future__ import annotations

import json
import os
from io import BytesIO
from pathlib import Path

import pytest

from tests.actions.running import error, stranger
from tests.actions.test_docker_daemon import PING, answer, host, last
from tests.conftest import Cli
from theoryctl.docker.daemon import connected
from theoryctl.errors import RegistryAuth

SECRET = "canary-of-a-secret"
ODD = {
    "words": f"echo 'login expired {SECRET}'",
    "nothing": "true",
    "null": "echo null",
    "an empty object": "echo '{}'",
    "a number": "echo 5",
    "a list": "echo '[5]'",
    "a user that is no text": f"""echo '{{"Username": 5, "Secret": "{SECRET}"}}'""",
    "bytes": f"printf '\\377{SECRET}'",
    "bytes and a failure": f"printf '\\377{SECRET}'; exit 3",
    "deep JSON": "head -c 100000 /dev/zero | tr '\\0' '['",
}


def installed(folder: Path, script: str, **settings: object) -> dict[str, str]:
    """Install a helper called `odd`, and return the variables that lead to it."""
    folder.mkdir()
    program = folder / "docker-credential-odd"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    (folder / "config.json").write_text(json.dumps(settings or {"credsStore": "odd"}))
    return {"DOCKER_CONFIG": str(folder), "PATH": f"{folder}:{os.environ['PATH']}"}


def closed(request: bytes) -> bytes:
    """Answer as a registry that lets nobody in."""
    return b'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'


def daemon(request: bytes) -> bytes:
    """Answer as a daemon that has no images."""
    path = request.split()[1]
    if path.endswith(b"/version"):
        return last(answer(b'{"Os": "linux", "Arch": "amd64"}'))
    return PING if path == b"/_ping" else last(answer(b'{"message": "No such image"}', "404 Not Found"))


@pytest.mark.parametrize("script", ODD.values(), ids=ODD)
def test_a_helper_that_prints_no_login_is_named(cli: Cli, tmp_path: Path, script: str) -> None:
    env = installed(tmp_path / "bin", script)
    with stranger(closed) as registry, stranger(daemon) as docker:
        address = registry.url.removeprefix("http://")
        resolved = cli("image", "resolve", f"{address}/x:1", "--json", env={**env, **host(docker.url)})
        built = cli("image", "build", "--ref", "llm/mock@1", "--json", env={**env, **host(docker.url)})
    for ran in (resolved, built):
        assert error(ran) == (4, "ERR_REGISTRY_AUTH")
        message = ran.document["error"]["message"]
        assert f"the credential helper that {tmp_path}/bin/config.json names: " in message
        assert "docker-credential-odd" in message
        assert SECRET not in ran.out + ran.err
    assert resolved.document["error"]["hint"] == f"docker login {address}"


@pytest.mark.parametrize("script", [script for name, script in ODD.items() if name not in ("null", "an empty object")])
def test_a_helper_that_prints_no_list_is_named_by_a_build(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str
) -> None:
    with stranger(daemon) as docker:
        for name, value in {**installed(tmp_path / "bin", script), **host(docker.url)}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(RegistryAuth, match="docker-credential-odd"), connected() as api:
            api.build(fileobj=BytesIO(), custom_context=True)


@pytest.mark.parametrize("settings", [{"credsStore": 5}, {"credHelpers": ["odd"]}, {"credHelpers": {"docker.io": 5}}])
def test_a_helper_that_is_named_by_no_text_is_a_fault_of_the_settings(
    cli: Cli, tmp_path: Path, settings: dict[str, object]
) -> None:
    env = installed(tmp_path / "bin", "true", **settings)
    with stranger(daemon) as docker:
        ran = cli("image", "build", "--ref", "llm/mock@1", "--json", env={**env, **host(docker.url)})
    assert error(ran) == (4, "ERR_REGISTRY_AUTH")
    assert (
        f"{tmp_path}/bin/config.json: logins and settings cannot be read: expected" in ran.document["error"]["message"]
    )
