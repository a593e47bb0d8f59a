"""Logins to registries: every way in which `docker login` keeps them, and nobody else gets them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.conftest import Cli, Ran
from tests.docker import proxy
from tests.docker.conftest import error
from tests.docker.proxy import Proxy
from tests.docker.registry import Registry

SECRET = "canary-of-a-secret"

HELPER = """\
#!/bin/sh
read -r registry
echo "$1 $registry" >> {log}
case $registry in
  {known}) echo '{{"ServerURL": "{known}", "Username": "{user}", "Secret": "{secret}"}}' ;;
  *) echo "credentials not found in native keychain"; exit 1 ;;
esac
"""


@pytest.fixture(scope="module")
def registry(docker: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("registry")) as found:
        found.publish("hello", architecture="amd64")
        yield found


@pytest.fixture(scope="module")
def closed(docker: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """One that answers nobody but `me`; it has no images, and says so to whom it knows."""
    with Registry(tmp_path_factory.mktemp("closed"), ("me", SECRET)) as found:
        yield found


Config = Callable[..., dict[str, str]]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The variable that leads to a config.json with these entries."""

    def make(**entries: Any) -> dict[str, str]:
        folder = tmp_path / "docker"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps(entries))
        return {"DOCKER_CONFIG": str(folder), "DOCKER_HOST": "unix:///nonexistent"}

    return make


@pytest.fixture
def helper(tmp_path: Path, environment: dict[str, str]) -> Callable[..., Path]:
    """Install a credential helper called `test` that knows one registry; returns the file with what it was asked."""

    def make(known: str, user: str = "me") -> Path:
        folder, log = tmp_path / "bin", tmp_path / "asked"
        folder.mkdir()
        program = folder / "docker-credential-test"
        program.write_text(HELPER.format(log=log, known=known, user=user, secret=SECRET))
        program.chmod(0o755)
        environment["PATH"] = f"{folder}:{environment['PATH']}"
        return log

    return make


def resolve(cli: Cli, address: str, env: dict[str, str], image: str = "hello:crafted") -> Any:
    ran = cli("image", "resolve", f"{address}/{image}", "--json", env=env)
    assert SECRET not in ran.out + ran.err
    return ran


@pytest.mark.parametrize("form", ["credHelpers", "credsStore"])
def test_a_credential_helper_is_asked_for_the_registry(
    cli: Cli, closed: Registry, config: Config, helper: Callable[..., Path], form: str
) -> None:
    asked = helper(closed.address)
    env = config(**{form: {closed.address: "test"} if form == "credHelpers" else "test"})
    assert error(resolve(cli, closed.address, env)) == (6, "ERR_IMAGE_NOT_FOUND")
    assert asked.read_text() == f"get {closed.address}\n"
    again = config(**{form: {"other.example": "test"} if form == "credHelpers" else "test"})
    if form == "credHelpers":
        assert error(resolve(cli, closed.address, again)) == (4, "ERR_REGISTRY_AUTH")


@pytest.mark.parametrize("place", ["REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "HOME"])
def test_podmans_login_is_used_where_docker_has_none(
    cli: Cli, closed: Registry, config: Config, tmp_path: Path, place: str
) -> None:
    below = {"REGISTRY_AUTH_FILE": "auth.json", "HOME": ".config/containers/auth.json"}
    file = tmp_path / "podman" / below.get(place, "containers/auth.json")
    file.parent.mkdir(parents=True)
    entry = {"auth": base64.b64encode(f"me:{SECRET}".encode()).decode()}
    file.write_text(json.dumps({"auths": {"other.example": {"auth": "bm86bm8="}, closed.address: entry}}))
    own = {place: str(file if place == "REGISTRY_AUTH_FILE" else tmp_path / "podman")}
    assert error(resolve(cli, closed.address, {**config(), **own})) == (6, "ERR_IMAGE_NOT_FOUND")
    assert error(resolve(cli, closed.address, config())) == (4, "ERR_REGISTRY_AUTH")
    file.write_text(json.dumps({"auths": {f"{closed.address}/part": entry}}))
    assert error(resolve(cli, closed.address, {**config(), **own})) == (4, "ERR_REGISTRY_AUTH")


def test_a_helper_that_knows_nothing_or_is_not_there_is_told_from_one_that_helps(
    cli: Cli, closed: Registry, config: Config, helper: Callable[..., Path]
) -> None:
    helper("other.example")
    ran = resolve(cli, closed.address, config(credsStore="test"))
    assert error(ran) == (4, "ERR_REGISTRY_AUTH")
    assert ran.document["error"]["hint"] == f"docker login {closed.address}"
    ran = resolve(cli, closed.address, config(credsStore="gone"))
    assert error(ran) == (4, "ERR_REGISTRY_AUTH")
    assert "docker-credential-gone" in ran.document["error"]["message"]


@pytest.mark.parametrize("entry", [{"auth": "bm8tY29sb24="}, {"auth": "%%"}, {"auth": 7}, []])
def test_a_login_that_cannot_be_read_is_no_bug_of_ours(cli: Cli, closed: Registry, config: Config, entry: Any) -> None:
    assert error(resolve(cli, closed.address, config(auths={closed.address: entry}))) == (4, "ERR_REGISTRY_AUTH")


def test_what_is_kept_for_others_is_not_looked_at(cli: Cli, closed: Registry, config: Config) -> None:
    auth = base64.b64encode(f"me:{SECRET}".encode()).decode()
    env = config(auths={"other.example": {"auth": "bm8tY29sb24="}, "x": [], closed.address: {"auth": auth}}, proxies=5)
    assert error(resolve(cli, closed.address, env)) == (6, "ERR_IMAGE_NOT_FOUND")


@pytest.mark.parametrize("settings", ["[]", "null", '"x"', "{", '{"proxies": 5}', '{"auths": {"x": {"auth": "bm8="}}}'])
def test_settings_of_docker_that_make_no_sense_are_named(
    cli: Cli, closed: Registry, config: Config, docker: dict[str, str], settings: str
) -> None:
    file = Path(config()["DOCKER_CONFIG"]) / "config.json"
    file.write_text(settings)
    env = {**docker, "DOCKER_CONFIG": str(file.parent)}
    if settings != "{":  # for which the daemon's client goes without
        assert_names(file, cli("image", "build", "--ref", "llm/mock@1", "--json", env=env))
    if settings[0] != "{" or settings == "{":
        assert_names(file, resolve(cli, closed.address, env))


def assert_names(file: Path, ran: Ran) -> None:
    assert error(ran) == (4, "ERR_REGISTRY_AUTH")
    assert str(file) in ran.document["error"]["message"]


@pytest.mark.parametrize("command", [("push", "--to", "127.0.0.1:9/x"), ("build", "--no-cache")], ids=["push", "build"])
@pytest.mark.parametrize("helper", ["gone", "test"])
def test_a_helper_that_fails_is_named_and_not_repeated(
    cli: Cli,
    config: Config,
    docker: dict[str, str],
    environment: dict[str, str],
    tmp_path: Path,
    helper: str,
    command: tuple[str, ...],
) -> None:
    program = tmp_path / "bin/docker-credential-test"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho {SECRET}; exit 3\n")
    program.chmod(0o755)
    env = {**docker, **config(credsStore=helper), "DOCKER_HOST": docker["DOCKER_HOST"]}
    env["PATH"] = f"{program.parent}:{environment['PATH']}"
    ran = cli("image", *command, "--ref", "llm/mock@1", "--json", env=env)
    assert error(ran) == (4, "ERR_REGISTRY_AUTH")
    assert f"docker-credential-{helper}" in ran.document["error"]["message"]
    assert SECRET not in ran.out + ran.err
    assert "Warning" not in ran.err


@pytest.mark.parametrize("kept", ["config.json", "helper"])
def test_an_identity_token_goes_to_the_registry_s_own_token_service_in_the_body(
    cli: Cli, registry: Registry, config: Config, helper: Callable[..., Path], kept: str
) -> None:
    with Proxy(registry.address, proxy.unchanged) as own:
        own.change = proxy.wants_a_token(f"http://{own.address}/token")
        if kept == "helper":
            helper(own.address, user="<token>")
            env = config(credsStore="test")
        else:
            env = config(auths={own.address: {"auth": "", "identitytoken": SECRET}})
        assert resolve(cli, own.address, env).status == 0
        ((path, headers),) = [asked for asked in own.asked if asked[0].startswith("/token")]
        form = {name: values[0] for name, values in parse_qs(headers[":body"]).items()}
        assert (form["grant_type"], form["refresh_token"]) == ("refresh_token", SECRET)
        assert (form["service"], form["scope"]) == ("test", "repository:hello:pull")
        assert SECRET not in path + str({**headers, ":body": ""})


def test_a_stranger_s_token_service_gets_no_identity_token(cli: Cli, registry: Registry, config: Config) -> None:
    with Proxy(registry.address, proxy.unchanged) as other, Proxy(registry.address, proxy.unchanged) as own:
        elsewhere = f"http://localhost:{other.address.rpartition(':')[2]}"
        other.change = proxy.wants_a_token(f"{elsewhere}/token")
        own.change = proxy.wants_a_token(f"{elsewhere}/token", token="never")
        resolve(cli, own.address, config(auths={own.address: {"identitytoken": SECRET}}))
        assert other.asked
        assert SECRET not in str(other.asked)


def test_no_proxy_stands_before_a_registry_on_this_machine(cli: Cli, registry: Registry) -> None:
    nowhere = {"HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}
    assert resolve(cli, registry.address, nowhere).status == 0
