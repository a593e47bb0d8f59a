"""Pins are written into a manifest without touching anything else."""

from __future__ import annotations

from itertools import combinations

import pytest

from tests.conftest import ROOT
from theoryctl.manifests.edit import with_pins
from theoryctl_providers.authored.yaml_document import parse

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.mark.parametrize(
    ("before", "pins", "after"),
    [
        ("image:\n  repository: r.io/x # why\n", {"linux/amd64": A},
         f"image:\n  repository: r.io/x # why\n  digests:\n    linux/amd64: {A}\n"),
        ("image:\n    repository: 'r.io/x'", {"linux/amd64": A},
         f"image:\n    repository: 'r.io/x'\n    digests:\n      linux/amd64: {A}"),
        (f"image:\n  digests:\n    linux/amd64: {A}  # old\n  repository: x\n", {"linux/amd64": B},
         f"image:\n  digests:\n    linux/amd64: {B}  # old\n  repository: x\n"),
        (f"image:\n  digests:\n    linux/amd64: '{A}'  # old\n\n# end\n", {"linux/arm64": B},
         f"image:\n  digests:\n    linux/amd64: '{A}'  # old\n    linux/arm64: {B}\n\n# end\n"),
        (f"image:\n  digests:\n    linux/arm64/v8: {A}\n", {"linux/arm64": B},
         f"image:\n  digests:\n    linux/arm64/v8: {B}\n"),
        ("image: {repository: x}\n", {"linux/amd64": A}, f"image: {{repository: x, digests: {{linux/amd64: {A}}}}}\n"),
        (f"image: {{digests: {{linux/amd64: {A}}}, repository: x}}\n", {"linux/arm64": B},
         f"image: {{digests: {{linux/amd64: {A}, linux/arm64: {B}}}, repository: x}}\n"),
        ("image:\n  repository: x\n  digests: {} # none\n", {"linux/amd64": A},
         f"image:\n  repository: x\n  digests: {{linux/amd64: {A}}} # none\n"),
        ("image:\r\n  repository: x\r\nname: y\r\n", {"linux/amd64": A},
         f"image:\r\n  repository: x\r\n  digests:\r\n    linux/amd64: {A}\r\nname: y\r\n"),
    ],
)  # fmt: skip
def test_a_pin_goes_where_it_belongs_and_all_else_stays(before: str, pins: dict[str, str], after: str) -> None:
    assert with_pins(before, pins) == after


@pytest.mark.parametrize(
    "text",
    [
        f"other: &d\n  linux/amd64: {A}\nimage:\n  repository: x\n  digests: *d\n",
        "other: &d\n  repository: x\nimage:\n  <<: *d\n",
        "image:\n  <<: {repository: x}\n",
    ],
)
def test_what_stands_in_another_place_is_not_changed(text: str) -> None:
    with pytest.raises(ValueError, match="one place"):
        with_pins(text, {"linux/amd64": B})


PLATFORMS = ("linux/amd64", "linux/arm64", "linux/s390x")


@pytest.mark.parametrize("name", ["llm/litellm@1", "llm/mock@1"])
@pytest.mark.parametrize("platforms", [some for size in (1, 2, 3) for some in combinations(PLATFORMS, size)])
def test_the_bundled_manifests_change_in_their_digests_alone(name: str, platforms: tuple[str, ...]) -> None:
    text = (ROOT / "manifests" / f"{name}.yaml").read_text()
    changed = with_pins(with_pins(text, {"linux/amd64": B}), dict.fromkeys(platforms, A))
    found, before = parse(changed.encode()).value, parse(text.encode()).value
    assert found["image"].pop("digests") == {"linux/amd64": B, **dict.fromkeys(platforms, A)}
    assert found == before
    kept = [line for line in changed.splitlines() if "sha256:" not in line and line.strip() != "digests:"]
    assert kept == text.splitlines()
