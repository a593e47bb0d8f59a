"""Commands about images that need neither a daemon nor a registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.actions.running import error
from tests.conftest import REF, Cli

AMD64, ARM64 = "sha256:" + "a" * 64, "sha256:" + "b" * 64
REPOSITORY = "registry.invalid/me/hello"
HELLO = "llm/hello@1"


@pytest.fixture(autouse=True)
def manifest(working_folder: Path) -> Path:
    """The project's manifest, with pins for two platforms, in a registry that does not exist."""
    file = working_folder / f"manifests/{HELLO}.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(
        f"ref: {HELLO}\ntitle: Hello\nprovider: mock\nmodels: {{default: mock}}\n"
        "inputs: {type: object}\nexample: {}\n"
        f"image:\n  repository: {REPOSITORY}\n  digests: {{linux/amd64: {AMD64}, linux/arm64/v8: {ARM64}}}\n"
    )
    return file


def test_the_digest_that_is_pinned_for_a_platform_is_found_offline(cli: Cli) -> None:
    look_up = ("image", "resolve", HELLO, "--offline")
    assert cli(*look_up, "--platform", "linux/amd64").out == f"{REPOSITORY}@{AMD64}\n"
    assert cli(*look_up, "--platform", "linux/arm64").out == f"{REPOSITORY}@{ARM64}\n"
    found = cli(*look_up, "--json").document
    assert [entry["digest"] for entry in found["platforms"]] == [AMD64, ARM64]
    assert (found["reference"], found["digest"]) == (REPOSITORY, None)


@pytest.mark.parametrize(
    ("text", "flags", "expected"),
    [
        (HELLO, ("--platform", "linux/s390x"), (6, "ERR_PLATFORM")),
        (REF, (), (6, "ERR_NOT_PINNED")),
        ("python:3.12", (), (2, "ERR_REF")),
        ("llm/nobody@1", (), (3, "ERR_REF_NOT_FOUND")),
    ],
)
def test_what_is_not_pinned_is_not_found_offline(
    cli: Cli, text: str, flags: tuple[str, ...], expected: tuple[int, str]
) -> None:
    assert error(cli("image", "resolve", text, "--offline", *flags, "--json")) == expected


def test_nothing_is_built_for_a_publication_that_could_not_be_pinned(cli: Cli) -> None:
    theirs = cli("image", "publish", "--ref", REF, "--json")
    assert error(theirs) == (3, "ERR_MANIFEST")
    other = cli("image", "publish", "--ref", HELLO, "--to", "registry.invalid/you/hello:1", "--json")
    assert error(other) == (2, "ERR_USAGE")
    assert "image.repository" in other.document["error"]["hint"]


def test_a_process_has_no_platform_to_choose(cli: Cli) -> None:
    ran = cli("local", "start", "--ref", REF, "--runtime", "process", "--platform", "linux/amd64", "--json")
    assert error(ran) == (2, "ERR_USAGE")
