"""`theoryctl image resolve`: what a registry has, and what is not believed of it."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.docker import proxy
from tests.docker.conftest import error
from tests.docker.proxy import Proxy
from tests.docker.registry import OCI, Registry
from theoryctl.errors import RegistryFailed
from theoryctl.images.resolve import resolve
from theoryctl.registry import retries
from theoryctl.registry.login import Challenge
from theoryctl.registry.reference import ImageReference

DIGEST = "sha256:" + "0" * 64
AMD64 = {"os": "linux", "architecture": "amd64"}
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


def test_a_registry_that_wants_to_be_left_alone_for_long_is_heard_at_once(cli: Cli, registry: Registry) -> None:
    def change(path: str, headers: dict[str, str], answer: proxy.Answer) -> proxy.Answer:
        # As Docker Hub words it (docs.docker.com, "Docker Hub usage and limits"), and more than can be repeated.
        words = "You have reached your unauthenticated pull rate limit." + 10_000 * "x"
        body = json.dumps({"errors": [{"code": "TOOMANYREQUESTS", "message": words}]}).encode()
        return proxy.Answer(429, {"retry-after": "3600"}, body)

    with Proxy(registry.address, change) as before:
        ran = cli("image", "resolve", f"{before.address}/hello:multi", "--json")
    assert error(ran) == (5, "ERR_REGISTRY")
    said = ran.document["error"]
    assert "it answered 429: TOOMANYREQUESTS: You have reached your unauthenticated" in said["message"]
    assert (len(said["message"]) < 400, said["hint"]) == (True, "wait 3600 seconds, and run the command again")
    assert len(before.asked) == 1


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


def says(body: bytes | dict[str, Any], kind: str = f"{OCI}.manifest.v1+json", **headers: str) -> proxy.Change:
    """A registry that says this of every tag, and of its own blobs the truth."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = proxy.Answer(200, {"content-type": kind, **headers}, content)
    return lambda path, _, own: answer if "/manifests/" in path else own


def index(*entries: Any) -> proxy.Change:
    kind = f"{OCI}.index.v1+json"
    return says({"schemaVersion": 2, "mediaType": kind, "manifests": list(entries)}, kind)


def answers(status: int, **headers: str) -> proxy.Change:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda path, _, own: proxy.Answer(status, named, b"{}")


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (index({"platform": {"os": "linux", "architecture": "amd64"}}), "ERR_REGISTRY", "digest"),
        (index("text"), "ERR_REGISTRY", "manifests.0"),
        (index({"digest": DIGEST, "platform": "linux/amd64"}), "ERR_REGISTRY", "manifests.0.platform"),
        (index({"digest": DIGEST, "platform": {"os": 7, "architecture": "amd64"}}), "ERR_REGISTRY", "platform.os"),
        (index({"digest": "sha512:" + "0" * 128, "platform": AMD64}), "ERR_REGISTRY", "sha512"),
        (index({"digest": DIGEST, "annotations": {"x": "\ud800"}}), "ERR_REGISTRY", "expected an image"),
        (index(), "ERR_REGISTRY", "no platform"),
        (says({"manifests": None}, f"{OCI}.index.v1+json"), "ERR_REGISTRY", "manifests"),
        (says({"schemaVersion": 2}), "ERR_REGISTRY", "config"),
        (says({"config": {"digest": "sha256:../x"}}), "ERR_REGISTRY", "config.digest"),
        (says({}, "text/html"), "ERR_REGISTRY", "expected an image"),
        (answers(307, location="http://[bad"), "ERR_REGISTRY", "address"),
        (answers(307, location=f"https://{'a' * 70}.example/x"), "ERR_REGISTRY", "tag"),
        (answers(401, www_authenticate="Bearer realm=,service=x"), "ERR_REGISTRY_AUTH", "not https"),
        (answers(401, www_authenticate=f'Bearer realm="https://{"a" * 70}.example/x"'), "ERR_REGISTRY", "address"),
        (answers(401, www_authenticate='Bearer realm="https://xn--a.com/x"'), "ERR_REGISTRY", "address"),
        (answers(401, www_authenticate='Bearer realm="https://[bad/x"'), "ERR_REGISTRY_AUTH", "not https"),
        (answers(429, retry_after="Mon, 01 Jan 0001 00:00:00 +9999"), "ERR_REGISTRY", "429"),
    ],
)
def test_an_answer_that_is_none_says_so_and_is_no_bug_of_ours(
    cli: Cli, registry: Registry, change: proxy.Change, code: str, said: str
) -> None:
    with Proxy(registry.address, change) as before:
        ran = cli("image", "resolve", f"{before.address}/hello:multi", "--json")
    assert ran.document["error"]["code"] == code, ran.out
    assert said in ran.document["error"]["message"]


def test_what_is_no_image_is_told_from_one(cli: Cli, registry: Registry) -> None:
    ran = cli("image", "resolve", f"{registry.address}/hello:{registry.artifact('hello')}", "--json")
    assert error(ran) == (5, "ERR_REGISTRY")
    assert "expected an image" in ran.document["error"]["message"]


@pytest.mark.parametrize("name", ["a" * 70 + ".example", "xn--a.com", "localhost:99999"])
def test_a_host_that_cannot_be_is_refused(cli: Cli, name: str) -> None:
    assert error(cli("image", "resolve", f"{name}/x:1", "--json")) == (5, "ERR_REGISTRY")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HTTPS_PROXY", "socks5://me:canary@127.0.0.1:9"),
        ("HTTPS_PROXY", "ftp://me:canary@127.0.0.1:9"),
        ("NO_PROXY", "[::1"),
        ("SSL_CERT_FILE", "/nonexistent"),
        ("SSL_CERT_FILE", os.devnull),
    ],
)
def test_a_setting_of_the_network_that_is_of_no_use_is_named(cli: Cli, variable: str, value: str) -> None:
    ran = cli("image", "resolve", "registry.invalid/x:1", "--json", env={variable: value})
    assert error(ran) == (5, "ERR_REGISTRY")
    assert variable in ran.document["error"]["message"]
    assert "canary" not in ran.out + ran.err


def test_a_registry_that_trickles_is_not_waited_for(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "PATIENCE", 1.0)
    with Proxy(registry.address, proxy.unchanged, trickles=True) as slow:
        began = time.monotonic()
        with pytest.raises(RegistryFailed, match="within 1 seconds"):
            resolve(ImageReference.parse(f"{slow.address}/hello:multi"), None)
        assert time.monotonic() - began < 3


def test_nobody_else_says_what_a_tag_is(cli: Cli, registry: Registry) -> None:
    with Proxy(registry.address, proxy.unchanged) as other, Proxy(registry.address, proxy.unchanged) as own:
        own.change = proxy.sends_on_to(f"http://localhost:{other.address.rpartition(':')[2]}")
        ran = cli("image", "resolve", f"{own.address}/hello:multi", "--json")
        assert error(ran) == (5, "ERR_REGISTRY")
        assert other.asked == []
        digest = cli("image", "resolve", f"{registry.address}/hello:multi", "--json").document["digest"]
        assert cli("image", "resolve", f"{own.address}/hello@{digest}").status == 0
        assert other.asked


@pytest.mark.parametrize(
    ("realm", "registry", "belongs"),
    [
        ("https://auth.docker.io/token", "registry-1.docker.io", True),
        ("https://gitlab.com/jwt/auth", "registry.gitlab.com", True),
        ("https://r.example:8443/token", "r.example:5000", True),
        ("https://evil.co.uk/token", "shop.co.uk", False),
        ("https://evil.azurecr.io/token", "shop.azurecr.io", False),
        ("https://evil.github.io/token", "shop.github.io", False),
        ("https://10.0.9.9/token", "10.0.0.1", False),
        ("https://1.0.0.1/token", "10.1.0.0.1:5000", False),
    ],
)
def test_a_domain_in_common_makes_no_common_owner(realm: str, registry: str, belongs: bool) -> None:
    assert Challenge.parse(f'Bearer realm="{realm}"').belongs_to(registry) is belongs


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
        digest = cli("image", "resolve", f"{registry.address}/hello:multi", "--json").document["digest"]
        cli("image", "resolve", f"{own.address}/hello@{digest}", env=login(own.address))
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
