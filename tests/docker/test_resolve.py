"""`theoryctl image resolve`: what a registry has, and what is not believed of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.docker import proxy
from tests.docker.conftest import error
from tests.docker.proxy import Proxy
from tests.docker.registry import Registry

PASSWORD = "canary-of-a-password"


@pytest.fixture(scope="module")
def registry(docker: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("registry")) as found:
        found.index(
            "hello",
            arm64=found.publish("hello", architecture="arm64"),
            amd64=found.publish("hello", architecture="amd64"),
        )
        yield found


@pytest.fixture
def login(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """The variable that leads to credentials for a registry."""

    def make(address: str) -> dict[str, str]:
        auth = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
        folder = tmp_path / "docker"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"auths": {address: {"auth": auth}}}))
        return {"DOCKER_CONFIG": str(folder), "DOCKER_HOST": "unix:///nonexistent"}

    return make


def test_an_index_is_resolved_to_each_platform_s_own_digest(cli: Cli, registry: Registry) -> None:
    found = cli("image", "resolve", f"{registry.address}/hello:multi", "--json").document
    platforms = {entry["platform"]: entry["digest"] for entry in found["platforms"]}
    assert set(platforms) == {"linux/amd64", "linux/arm64/v8"}
    assert found["digest"] not in platforms.values()
    for name, digest in platforms.items():
        one = cli("image", "resolve", f"{registry.address}/hello@{digest}", "--json").document
        assert one["platforms"] == [{"platform": name.removesuffix("/v8"), "digest": digest}]
    shown = cli("image", "resolve", f"{registry.address}/hello:multi", "--platform", "linux/arm64")
    assert shown.out == f"{registry.address}/hello@{platforms['linux/arm64/v8']}\n"


def test_a_platform_that_is_not_there_lists_those_that_are(cli: Cli, registry: Registry) -> None:
    ran = cli("image", "resolve", f"{registry.address}/hello:multi", "--platform", "linux/s390x", "--json")
    assert error(ran) == (6, "ERR_PLATFORM")
    assert "linux/amd64, linux/arm64/v8" in ran.document["error"]["message"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (proxy.unchanged, 0, None),
        (proxy.flips_a_byte, 6, "ERR_VERIFICATION"),
        (proxy.names_another_digest, 6, "ERR_VERIFICATION"),
        (proxy.cuts_the_body, 5, "ERR_REGISTRY"),
        (proxy.sends_on_to("http://192.0.2.1"), 5, "ERR_REGISTRY"),
        (proxy.fails_first(2, 503), 0, None),
        (proxy.fails_first(1, 429, **{"retry-after": "1"}), 0, None),
        (proxy.fails_first(9, 500), 5, "ERR_REGISTRY"),
        (proxy.fails_first(1, 404), 6, "ERR_IMAGE_NOT_FOUND"),
        (proxy.fails_first(1, 403), 4, "ERR_REGISTRY_AUTH"),
    ],
)
def test_what_stands_before_a_registry_is_not_believed(
    cli: Cli, registry: Registry, change: proxy.Change, status: int, code: str | None
) -> None:
    with Proxy(registry.address, change) as before:
        ran = cli("image", "resolve", f"{before.address}/hello:multi", "--json")
    assert (ran.status, ran.document.get("error") and ran.document["error"]["code"]) == (status, code), ran.out


def test_a_platform_that_is_none_is_refused_before_anybody_is_asked(cli: Cli) -> None:
    ran = cli("image", "resolve", "127.0.0.1:9/x", "--platform", "amd64", "--json")
    assert error(ran) == (2, "ERR_USAGE")


def test_a_registry_may_say_when_to_come_again_as_a_date(cli: Cli, registry: Registry) -> None:
    # Later than it would come again by itself.
    soon = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=4)
    refused = proxy.fails_first(9, 429, **{"retry-after": format_datetime(soon, usegmt=True)})

    def change(path: str, headers: dict[str, str], answer: proxy.Answer) -> proxy.Answer:
        return answer if datetime.now(timezone.utc) >= soon else refused(path, headers, answer)

    with Proxy(registry.address, change) as before:
        assert cli("image", "resolve", f"{before.address}/hello:multi").status == 0


def test_credentials_go_to_the_registry_and_its_own_token_service(
    cli: Cli, registry: Registry, login: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    with Registry(tmp_path / "closed", ("me", PASSWORD)) as closed:
        ran = cli("image", "resolve", f"{closed.address}/x:1", "--json", env=login(closed.address))
        assert error(ran) == (6, "ERR_IMAGE_NOT_FOUND")
        ran = cli("image", "resolve", f"{closed.address}/x:1", "--json", env=login("127.0.0.1:1"))
        assert error(ran) == (4, "ERR_REGISTRY_AUTH")
        assert f"docker login {closed.address}" in ran.document["error"]["hint"]
    with Proxy(registry.address, proxy.unchanged) as own:
        own.change = proxy.wants_a_token(f"http://{own.address}/token")
        ran = cli("image", "resolve", f"{own.address}/hello:multi", "--json", env=login(own.address))
        assert ran.status == 0, ran.err
        (asked,) = [headers for path, headers in own.asked if path.startswith("/token")]
        assert asked["authorization"] == "Basic " + base64.b64encode(f"me:{PASSWORD}".encode()).decode()
        assert PASSWORD not in ran.out + ran.err


def test_a_token_may_be_had_by_nobody_in_particular(cli: Cli, registry: Registry) -> None:
    with Proxy(registry.address, proxy.unchanged) as own:
        own.change = proxy.wants_a_token(f"http://{own.address}/token")
        assert cli("image", "resolve", f"{own.address}/hello:multi").status == 0
        assert [headers.get("authorization") for path, headers in own.asked if path.startswith("/token")] == [None]


@pytest.mark.parametrize("thief", ["redirect", "realm"])
def test_nobody_else_gets_credentials(
    cli: Cli, registry: Registry, login: Callable[[str], dict[str, str]], thief: str
) -> None:
    with Proxy(registry.address, proxy.unchanged) as other, Proxy(registry.address, proxy.unchanged) as own:
        elsewhere = f"http://localhost:{other.address.rpartition(':')[2]}"
        other.change = proxy.wants_a_token(f"{elsewhere}/token")
        if thief == "redirect":
            own.change = proxy.sends_on_to(elsewhere)
        else:
            own.change = proxy.wants_a_token(f"{elsewhere}/token", token="never")
        cli("image", "resolve", f"{own.address}/hello:multi", env=login(own.address))
        assert other.asked
        assert [headers for _, headers in other.asked if "authorization" in headers] == []


def test_a_provider_ref_stands_for_the_image_of_its_manifest(cli: Cli, registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "work/manifests/llm/hello@1.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(
        "ref: llm/hello@1\ntitle: Hello\nprovider: mock\nmodels: {default: mock}\ninputs: {type: object}\n"
        f'example: {{}}\nimage: {{repository: "{registry.address}/hello"}}\n'
    )
    ran = cli("image", "resolve", "llm/hello@1", "--json")
    assert error(ran) == (6, "ERR_IMAGE_NOT_FOUND")  # it has no tag `latest`
    assert f"{registry.address}/hello" in ran.document["error"]["message"]
    assert error(cli("image", "resolve", "llm/unknown@1", "--json")) == (3, "ERR_REF_NOT_FOUND")
