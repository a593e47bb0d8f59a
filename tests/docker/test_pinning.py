"""Pins of images, and their verification: indexes, odd platforms, links, two writers at once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import THEORYCTL, Cli
from tests.docker.conftest import Daemon, error
from tests.docker.registry import Registry
from theoryctl.platforms import image_platform

HELLO = "llm/hello@1"
PIN = ("image", "pin", "--ref", HELLO, "--json")
ARCHITECTURES = ("amd64", "arm64", "ppc64le", "s390x")
HERE = image_platform().rpartition("/")[2]


@pytest.fixture(scope="module")
def registry(docker: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture(scope="module")
def images(registry: Registry) -> dict[str, str]:
    """The digest of an image for each of these machines."""
    return {name: registry.publish("hello", architecture=name) for name in ARCHITECTURES}


Tag = Callable[..., str]


@pytest.fixture
def latest(registry: Registry) -> Tag:
    """Let `latest` be these images: the digests, with platforms as `os/architecture/variant`."""

    def move(*entries: tuple[str, str]) -> str:
        fields = ("os", "architecture", "variant")
        named = [(dict(zip(fields, platform.split("/"), strict=False)), digest) for platform, digest in entries]
        return registry.index_of("hello", named, "latest")

    return move


@pytest.fixture
def manifest(registry: Registry, tmp_path: Path) -> Path:
    """The project's manifest of an image in the registry, that pins nothing."""
    file = tmp_path / f"work/manifests/{HELLO}.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(
        f"ref: {HELLO}\ntitle: Hello\nprovider: mock\nmodels: {{default: mock}}\ninputs: {{type: object}}\n"
        f"example: {{}}\nimage:\n  repository: {registry.address}/hello\n"
    )
    return file


def test_what_pins_nothing_is_not_verified(cli: Cli, manifest: Path, images: dict[str, str], latest: Tag) -> None:
    latest((f"linux/{HERE}", images[HERE]))
    ran = cli("image", "verify", "--ref", HELLO, "--json")
    assert (ran.status, ran.document["drift"], ran.document["pinned"]) == (6, False, False)
    assert f"theoryctl image pin --ref {HELLO}" in ran.err
    assert cli(*PIN).status == 0
    ran = cli("image", "verify", "--ref", HELLO, "--json")
    assert (ran.status, ran.document["pinned"]) == (0, True)


def test_an_index_that_is_pinned_is_the_image_it_leads_to(
    cli: Cli, manifest: Path, images: dict[str, str], latest: Tag
) -> None:
    index = latest(*((f"linux/{name}", digest) for name, digest in images.items()))
    manifest.write_text(f"{manifest.read_text()}  digests: {{linux/{HERE}: {index}}}\n")
    ran = cli("image", "verify", "--ref", HELLO, "--json")
    assert (ran.status, ran.document["drift"]) == (0, False)
    assert ran.document["digests"][0]["digest"] == images[HERE]


def test_two_who_pin_at_once_both_do(
    cli: Cli, manifest: Path, images: dict[str, str], latest: Tag, environment: dict[str, str], tmp_path: Path
) -> None:
    latest(*((f"linux/{name}", digest) for name, digest in images.items()))
    commands: list[list[str | Path]] = [[THEORYCTL, *PIN, "--platform", f"linux/{name}"] for name in images]
    at_once = [subprocess.Popen(command, env=environment, cwd=tmp_path / "work") for command in commands]
    assert [process.wait(timeout=60) for process in at_once] == [0] * len(at_once)
    assert cli(*PIN, "--check").status == 0
    assert [digest for digest in images.values() if digest not in manifest.read_text()] == []


def test_a_link_to_a_manifest_stays_one(cli: Cli, manifest: Path, images: dict[str, str], latest: Tag) -> None:
    latest((f"linux/{HERE}", images[HERE]))
    real = manifest.parents[2] / "real.yaml"
    manifest.rename(real)
    manifest.symlink_to(real)
    assert cli(*PIN).status == 0
    assert manifest.is_symlink()
    assert images[HERE] in real.read_text()


@pytest.mark.parametrize("odd", ["linux/riscv64/rva20u64", "linux/AMD64", "windows/x_y"])
def test_a_platform_that_no_manifest_may_name_is_shown_and_not_pinned(
    cli: Cli, manifest: Path, registry: Registry, images: dict[str, str], latest: Tag, odd: str
) -> None:
    latest((f"linux/{HERE}", images[HERE]), (odd, images["s390x"]))
    before = manifest.read_text()
    shown = cli("image", "resolve", f"{registry.address}/hello:latest", "--json").document["platforms"]
    assert odd in [entry["platform"] for entry in shown]
    ran = cli(*PIN)
    assert error(ran) == (3, "ERR_MANIFEST")
    assert odd in ran.document["error"]["message"]
    assert "--platform" in ran.document["error"]["hint"]
    assert manifest.read_text() == before
    assert cli(*PIN, "--platform", f"linux/{HERE}").status == 0


@pytest.mark.parametrize(
    ("twins", "chosen"),
    [(("windows/amd64", "windows/amd64"), None), (("linux/arm64", "linux/arm64/v8"), "linux/arm64/v8")],
)
def test_a_platform_that_is_there_twice_is_shown_and_not_guessed(
    cli: Cli, manifest: Path, registry: Registry, images: dict[str, str], latest: Tag, twins: tuple[str, str],
    chosen: str | None,
) -> None:  # fmt: skip
    latest((twins[0], images["amd64"]), (twins[1], images["arm64"]), ("linux/s390x", images["s390x"]))
    shown = cli("image", "resolve", f"{registry.address}/hello:latest", "--json").document["platforms"]
    assert len(shown) == 3
    for platform in ((), ("--platform", twins[0])) if chosen is None else ((),):
        ran = cli(*PIN, *platform)
        assert error(ran) == (6, "ERR_PLATFORM")
        assert images["amd64"] in ran.document["error"]["message"]
        assert images["arm64"] in ran.document["error"]["message"]
    one = cli(*PIN, "--platform", chosen or "linux/s390x")
    assert one.document["digests"] == {chosen or "linux/s390x": images["arm64" if chosen else "s390x"]}
    assert cli(*PIN, "--platform", chosen or "linux/s390x", "--check").status == 0


def test_a_pin_for_a_platform_that_is_gone_stays_and_is_stale(
    cli: Cli, manifest: Path, images: dict[str, str], latest: Tag
) -> None:
    latest(("linux/amd64", images["amd64"]), ("linux/s390x", images["s390x"]))
    assert cli(*PIN).status == 0
    latest(("linux/amd64", images["amd64"]))
    checked = cli(*PIN, "--check")
    assert error(checked) == (6, "ERR_DIGEST_DRIFT")
    assert "linux/s390x" in checked.document["error"]["message"]
    assert cli(*PIN, "--check", "--platform", "linux/amd64").status == 0
    again = cli(*PIN)
    assert (again.status, again.document["changed"]) == (0, False)
    assert "linux/s390x" in again.err
    assert images["s390x"] in manifest.read_text()


def test_what_is_stale_is_mended_by_what_the_hint_says(
    cli: Cli, manifest: Path, registry: Registry, images: dict[str, str], tmp_path: Path
) -> None:
    registry.publish("hello", architecture="amd64", content=b"another", tags=["next"])
    mine = tmp_path / "work/my manifests"
    manifest.parents[1].rename(mine)
    flags = ("--oci", f"{registry.address}/hello:next", "--platform", "linux/amd64", "--manifests", mine.name)
    hint = cli(*PIN, *flags, "--check").document["error"]["hint"]
    done = subprocess.run(["sh", "-c", hint.replace("theoryctl", str(THEORYCTL), 1)], cwd=mine.parent)
    assert done.returncode == 0
    assert cli(*PIN, *flags, "--check").status == 0


@pytest.mark.parametrize("place", ["project", "THEORYCTL_MANIFESTS", "--manifests"])
def test_a_manifest_that_may_not_be_written_is_pinned_elsewhere_as_the_hint_says(
    environment: dict[str, str], manifest: Path, images: dict[str, str], latest: Tag, tmp_path: Path, place: str
) -> None:
    latest((f"linux/{HERE}", images[HERE]))
    manifest.chmod(0o444)
    folder, work = manifest.parents[1], tmp_path / "work"
    if place != "project":
        folder = folder.rename(work / "theirs")
    env = {**environment, "PATH": f"{THEORYCTL.parent}:{environment['PATH']}"}
    env |= {"THEORYCTL_MANIFESTS": "theirs"} if place == "THEORYCTL_MANIFESTS" else {}
    flags = ["--manifests", "theirs"] if place == "--manifests" else []
    # Root may write all the same, unless that is taken away.
    bound = ["setpriv", "--bounding-set=-dac_override"]
    done = subprocess.run([*bound, THEORYCTL, *PIN[:-1], *flags], cwd=work, env=env, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    hint = done.stderr.partition("hint: ")[2].strip()
    done = subprocess.run([*bound, "sh", "-c", hint], cwd=work, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert images[HERE] in (work / f"mine/{HELLO}.yaml").read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ("resolve", HELLO, "--platform", ""),
        ("build", "--ref", HELLO, "--platform", ""),
        ("build", "--ref", "llm/mock@1", "--tag", ""),
        ("build", "--ref", HELLO, "--base-image", ""),
        ("push", "--ref", HELLO, "--to", ""),
        ("pin", "--ref", HELLO, "--oci", ""),
        ("pin", "--ref", HELLO, "--platform", ""),
        ("verify", "--ref", HELLO, "--tag", ""),
    ],
)
def test_a_flag_without_a_value_is_not_the_same_as_none(cli: Cli, manifest: Path, arguments: tuple[str, ...]) -> None:
    assert error(cli("image", *arguments, "--json")) == (2, "ERR_USAGE")


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("ghcr.io/me/x@1", "ERR_USAGE", "a digest is sha256:"),
        ("me/x@sha512:00", "ERR_USAGE", "a digest is sha256:"),
        ("llm/hello@v1", "ERR_REF", "theoryctl image resolve llm/hello@1 --json"),
        ("llm/hello", "ERR_USAGE", "theoryctl image resolve llm/hello@1 --json"),
    ],
)
def test_an_image_and_a_ref_are_told_apart_where_both_are_taken(
    cli: Cli, manifest: Path, text: str, code: str, said: str
) -> None:
    ran = cli("image", "resolve", text, "--json")
    assert error(ran) == (2, code)
    assert said in ran.document["error"]["message"] + ran.document["error"]["hint"]


def test_a_push_leaves_no_name_that_was_not_there_before(
    cli: Cli, daemon: Daemon, registry: Registry, pushed_layers: Path
) -> None:
    def names() -> list[str]:
        return daemon("images", "--filter", "reference=*/named:*", "--format", "{{.Repository}}:{{.Tag}}").split()

    registry.has_layers_of(pushed_layers, "named")
    for target, status in ((f"{registry.address}/named:1", 0), ("127.0.0.1:9/named:1", 5)):
        assert cli("image", "push", "--ref", "llm/mock@1", "--to", target, "--json").status == status
        assert names() == []
    daemon("tag", "ghcr.io/theoryctl/llm-mock:local", f"{registry.address}/named:mine")
    assert cli("image", "push", "--ref", "llm/mock@1", "--to", f"{registry.address}/named:mine").status == 0
    assert names() == [f"{registry.address}/named:mine"]
    daemon("rmi", f"{registry.address}/named:mine")
