"""The image that runs: pinned, overridden, drifted; and faults of registries."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REF, ROOT, Cli
from tests.docker import proxy
from tests.docker.conftest import Daemon, error, left_behind
from tests.docker.proxy import Proxy
from tests.docker.registry import Registry, program
from theoryctl.platforms import host_platform

START = ("local", "start", "--ref", REF)
RUN = ("local", "run", "--ref", REF)
PASSWORD = "canary-of-a-password"
PLATFORM = host_platform()
OTHER = "arm64" if PLATFORM.endswith("amd64") else "amd64"

Pin = Callable[..., None]


@pytest.fixture(scope="module")
def registry(pushed_layers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("registry")) as found:
        found.has_layers_of(pushed_layers, "llm")
        yield found


@pytest.fixture
def pushed(registry: Registry, image: str) -> str:
    """The digest of that image in the registry."""
    return registry.push(image, "llm")


@pytest.fixture
def other(registry: Registry, image: str, daemon: Daemon) -> str:
    """The digest of another image that serves as well."""
    return registry.push(daemon.image(f"FROM {image}\nLABEL other=yes"), "llm")


@pytest.fixture
def pin(tmp_path: Path) -> Pin:
    """Write the project's manifest: its repository, what it pins, and whether it may be built."""

    def write(repository: str, build: bool = True, **digests: str) -> None:
        text = (ROOT / "manifests" / f"{REF}.yaml").read_text()
        assert "  build:\n    context: providers\n" in text
        if not build:
            text = text.replace("  build:\n    context: providers\n", "")
        lines = [f"  repository: {repository}"]
        if digests:
            named = {name.replace("_", "/"): digest for name, digest in digests.items()}
            lines += ["  digests:", *(f"    {name}: {digest}" for name, digest in named.items())]
        file = tmp_path / f"work/manifests/{REF}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("  repository: ghcr.io/theoryctl/llm-litellm", "\n".join(lines)))

    return write


def here(digest: str) -> dict[str, str]:
    return {PLATFORM.replace("/", "_"): digest}


def forget(daemon: Daemon, registry: Registry) -> None:
    """Remove what was pulled from the registry."""
    for name in daemon("images", "--digests", "--format", "{{.Repository}}@{{.Digest}}").split():
        if name.startswith(registry.address):
            daemon("rmi", name)


# -- pins --


def test_a_pinned_digest_is_pulled_once_and_stays_whatever_its_tag_is_moved_to(
    cli: Cli, daemon: Daemon, registry: Registry, pushed: str, other: str, pin: Pin
) -> None:
    assert pushed != other  # the tag is the other one's by now
    pin(f"{registry.address}/llm", **here(pushed))
    forget(daemon, registry)
    first = cli(*START, "--json", "--require-pin")
    assert first.status == 0, first.err
    assert "pulling" in first.err
    assert first.document["digest"] == first.document["pin"] == pushed
    assert first.document["image"] == f"{registry.address}/llm@{pushed}"
    envelope = cli(*RUN, "--json").document
    assert (envelope["runtime"], envelope["meta"]["image"]) == ("docker", first.document["image"])
    assert cli("local", "stop", "--all").status == 0
    again = cli(*START, "--json")
    assert (again.document["digest"], "pulling" in again.err) == (pushed, False)


def test_a_pin_that_moves_is_drift_until_it_moves_back(
    cli: Cli, registry: Registry, pushed: str, other: str, pin: Pin
) -> None:
    pin(f"{registry.address}/llm", **here(pushed))
    assert cli(*START).status == 0
    pin(f"{registry.address}/llm", **here(other))
    for command in (RUN, START):
        ran = cli(*command, "--json")
        assert error(ran) == (6, "ERR_DIGEST_DRIFT")
        assert f"stop --ref {REF} && theoryctl local start --ref {REF}" in ran.document["error"]["hint"]
    assert cli("local", "status", "--json").document["instances"][0]["drift"] == "digest"
    pin(f"{registry.address}/llm", **here(pushed))
    assert cli(*RUN).status == 0


def test_what_was_built_here_drifts_when_something_is_pinned(
    cli: Cli, registry: Registry, pushed: str, pin: Pin
) -> None:
    assert cli(*START).status == 0
    pin(f"{registry.address}/llm", **here(pushed))
    assert error(cli(*RUN, "--json")) == (6, "ERR_DIGEST_DRIFT")


def test_an_image_named_by_the_flag_goes_before_the_pin_until_the_pin_moves(
    cli: Cli, registry: Registry, pushed: str, other: str, pin: Pin
) -> None:
    pin(f"{registry.address}/llm", **here(pushed))
    started = cli(*START, "--oci", f"{registry.address}/llm:test@{other}", "--json")
    assert started.document["digest"] == other, started.err
    assert cli(*RUN).status == 0
    pin(f"{registry.address}/llm", **here("sha256:" + "0" * 64))
    assert error(cli(*RUN, "--json")) == (6, "ERR_DIGEST_DRIFT")


@pytest.mark.parametrize(
    ("flags", "status", "code", "said"),
    [
        (("--oci", "ghcr.io/me/x:1"), 6, "ERR_NOT_PINNED", "theoryctl image resolve ghcr.io/me/x:1 --platform"),
        (("--oci", "https://ghcr.io/me/x"), 2, "ERR_USAGE", "address"),
        (("--oci", f"Ghcr.io/Me/x@sha256:{'0' * 64}"), 2, "ERR_USAGE", "lower-case"),
        (("--oci", "ghcr.io/me/x@sha256:00"), 2, "ERR_USAGE", "64"),
        (("--oci", "llm/litellm@1"), 2, "ERR_USAGE", "provider ref"),
        (("--oci", f"x@sha256:{'0' * 64}", "--build"), 2, "ERR_USAGE", "exclude"),
        (("--require-pin", "--build"), 2, "ERR_USAGE", "exclude"),
        (("--require-pin",), 6, "ERR_NOT_PINNED", "theoryctl image pin"),
        (("--base-image", "x y"), 2, "ERR_USAGE", "blanks"),
        (("--runtime", "process", "--build"), 2, "ERR_USAGE", "process"),
        (("--runtime", "process", "--platform", "linux/amd64"), 2, "ERR_USAGE", "process"),
        (("--platform", "amd64"), 2, "ERR_USAGE", "os/arch"),
        (("--require-pin", "--platform", "linux/s390x"), 6, "ERR_NOT_PINNED", "--platform linux/s390x"),
        (("--runtime", "process", "--oci", f"x@sha256:{'0' * 64}"), 2, "ERR_USAGE", "process"),
    ],
)
def test_flags_that_choose_no_image_are_refused_before_anything_starts(
    cli: Cli, daemon: Daemon, environment: dict[str, str], flags: tuple[str, ...], status: int, code: str, said: str
) -> None:
    ran = cli(*START, *flags, "--json")
    assert error(ran) == (status, code)
    assert said in ran.document["error"]["message"] + ran.document["error"]["hint"]
    assert ran.err.startswith("error ")  # no step before it: nothing was pulled, built or started
    assert left_behind(daemon, environment) == []


def test_a_manifest_that_pins_nothing_for_here_and_cannot_be_built_is_refused(cli: Cli, pin: Pin) -> None:
    pin("ghcr.io/me/x", build=False)
    assert error(cli(*START, "--json")) == (6, "ERR_NOT_PINNED")
    pin("ghcr.io/me/x", build=False, linux_s390x="sha256:" + "0" * 64)
    ran = cli(*START, "--json")
    assert error(ran) == (6, "ERR_PLATFORM")
    assert "linux/s390x" in ran.document["error"]["message"]


def test_the_image_of_a_platform_that_is_named_is_the_one_that_runs(
    cli: Cli, pin: Pin, registry: Registry, pushed: str
) -> None:
    foreign = registry.publish("llm", architecture=OTHER)
    pin(f"{registry.address}/llm", **{PLATFORM.replace("/", "_"): pushed, f"linux_{OTHER}": foreign})
    ran = cli(*START, "--platform", PLATFORM, "--json")
    assert (ran.status, ran.document["digest"]) == (0, pushed)
    again = cli(*START, "--platform", f"linux/{OTHER}", "--json")
    assert error(again) == (6, "ERR_DIGEST_DRIFT")
    assert f"linux/{OTHER} is wanted" in again.document["error"]["message"]
    assert cli("local", "stop", "--all").status == 0
    # That image holds one file, and no server of any machine: it is chosen, pulled, and cannot run.
    ran = cli(*START, "--platform", f"linux/{OTHER}", "--json")
    assert ran.status != 0 and f"@{foreign}" in ran.err


def test_a_program_of_another_machine_that_cannot_run_here_is_named_with_one_next_step(
    cli: Cli, daemon: Daemon, environment: dict[str, str], pin: Pin, registry: Registry
) -> None:
    # A machine with QEMU runs programs of the other platform, too.
    digest = registry.publish("far", architecture=OTHER, content=program("a machine that nobody has"))
    pin(f"{registry.address}/far", **{f"linux_{OTHER}": digest})
    ran = cli(*START, "--platform", f"linux/{OTHER}", "--json")
    assert error(ran) == (5, "ERR_START"), ran.out
    said = ran.document["error"]
    assert f"without QEMU (binfmt_misc) this machine runs no programs of linux/{OTHER}" in said["message"]
    assert "Exec format error" in said["message"]
    assert said["hint"] == f"theoryctl local start --ref {REF} --json"
    assert left_behind(daemon, environment) == []


# -- what registries may do --


def test_an_image_of_another_platform_is_refused(
    cli: Cli, daemon: Daemon, environment: dict[str, str], registry: Registry
) -> None:
    digest = registry.publish("foreign", architecture=OTHER)
    ran = cli(*START, "--oci", f"{registry.address}/foreign@{digest}", "--json")
    assert error(ran) == (6, "ERR_PLATFORM")
    assert OTHER in ran.document["error"]["message"]
    assert left_behind(daemon, environment) == []


def test_a_corrupt_layer_is_refused(cli: Cli, daemon: Daemon, environment: dict[str, str], registry: Registry) -> None:
    digest = registry.publish("corrupt", architecture=PLATFORM.split("/")[1], content=os.urandom(5000))
    blob = registry.blob(registry.layers(digest)[0])
    damaged = bytearray(blob.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    blob.write_bytes(damaged)
    ran = cli(*START, "--oci", f"{registry.address}/corrupt@{digest}", "--json")
    assert error(ran) == (6, "ERR_VERIFICATION"), ran.out
    assert left_behind(daemon, environment) == []


@pytest.mark.parametrize(
    "change",
    [proxy.flips_a_byte, proxy.cuts_the_body, proxy.sends_on_to("http://192.0.2.1"), proxy.names_another_digest],
)
def test_a_start_refuses_what_stands_before_a_registry_and_changes_what_it_says(
    cli: Cli, daemon: Daemon, environment: dict[str, str], registry: Registry, change: proxy.Change
) -> None:
    digest = registry.publish("tampered", architecture=PLATFORM.split("/")[1])
    with Proxy(registry.address, change) as before:
        ran = cli(*START, "--oci", f"{before.address}/tampered@{digest}", "--json")
        assert before.asked
    assert error(ran)[1] in ("ERR_VERIFICATION", "ERR_REGISTRY"), ran.out
    assert left_behind(daemon, environment) == []


def test_an_index_is_resolved_to_the_manifest_of_this_platform(
    cli: Cli, daemon: Daemon, registry: Registry, pushed: str
) -> None:
    machine = PLATFORM.split("/")[1]
    index = registry.index("llm", **{machine: pushed, OTHER: registry.relabel("llm", pushed, OTHER, "other")})
    forget(daemon, registry)
    start = (*START, "--oci", f"{registry.address}/llm@{index}", "--json")
    started = cli(*start).document
    assert (started["digest"], started["image"]) == (pushed, f"{registry.address}/llm@{pushed}")
    again = cli(*start)
    assert (again.document["already_running"], "pulling" in again.err) == (True, False)
    assert cli("local", "stop", "--all").status == 0
    assert "pulling" not in cli(*start).err


def test_a_registry_that_has_no_such_digest_is_told_from_one_that_does_not_answer(
    cli: Cli, registry: Registry, tmp_path: Path
) -> None:
    unknown = "sha256:" + "1" * 64
    ran = cli(*START, "--oci", f"{registry.address}/llm@{unknown}", "--json")
    assert error(ran) == (6, "ERR_IMAGE_NOT_FOUND"), ran.out
    with Registry(tmp_path / "gone") as gone:
        address = gone.address
    ran = cli(*START, "--oci", f"{address}/llm@{unknown}", "--json")
    assert error(ran) == (5, "ERR_REGISTRY"), ran.out
    assert address in ran.document["error"]["message"]


def test_a_registry_that_wants_credentials_gets_those_of_docker_and_they_are_not_shown(
    cli: Cli, daemon: Daemon, image: str, pushed_layers: Path, tmp_path: Path
) -> None:
    def config(name: str, password: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        auth = base64.b64encode(f"me:{password}".encode()).decode()
        (folder / "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": auth}}}))
        return folder

    def start(config: Path) -> Any:
        ran = cli(
            *START, "--oci", f"{registry.address}/llm@{digest}", "--json", "--debug", env={"DOCKER_CONFIG": str(config)}
        )
        assert PASSWORD not in ran.out + ran.err
        return ran

    with Registry(tmp_path / "closed", ("me", PASSWORD)) as registry:
        registry.has_layers_of(pushed_layers, "llm")
        digest = registry.push(image, "llm", config("right", PASSWORD))
        forget(daemon, registry)
        for refused in (start(tmp_path / "nobody"), start(config("wrong", "wrong"))):
            assert error(refused) == (4, "ERR_REGISTRY_AUTH"), refused.out
            assert f"docker login {registry.address}" in refused.document["error"]["hint"]
        assert start(tmp_path / "right").document["digest"] == digest
        assert cli("local", "stop", "--all").status == 0
        forget(daemon, registry)
