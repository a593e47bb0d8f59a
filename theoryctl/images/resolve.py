"""Resolve a reference to the digest of each platform's own manifest: the registry is asked, and no daemon is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from theoryctl.docker.daemon import login_for
from theoryctl.errors import BadPlatform
from theoryctl.platforms import same_platform
from theoryctl.registry.client import RegistryClient, RegistryManifest, not_an_image
from theoryctl.registry.reference import ImageReference

#: Names of platforms, each with the digest of its manifest.
Platforms = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Resolved:
    """The digest of a reference in its registry, and that of each platform's own manifest."""

    digest: str
    platforms: Platforms


def resolve(reference: ImageReference, platform: str | None) -> Resolved:
    """Resolve a reference to digests, for all its platforms or for the one asked for.

    Raises BadPlatform (`ERR_PLATFORM`) that lists those there are, and what a RegistryClient raises.
    """
    with RegistryClient(reference, login_for) as registry:
        manifest = registry.manifest(reference.digest or reference.tag or "latest")
        found = tuple(sorted(set(_platforms(manifest, registry))))
    if not found:
        raise not_an_image(reference, "an index that is for no platform")
    if platform is not None:
        found = (_only(reference, found, platform),)
    return Resolved(manifest.digest, found)


def must_be_clear(reference: ImageReference, found: Platforms) -> None:
    """Raise BadPlatform (`ERR_PLATFORM`) where a platform stands there twice, as one of Windows does for each of its
    releases: nothing says which is meant."""
    for name, digest in found:
        twins = [(other, its) for other, its in found if same_platform(name, other) and its != digest]
        if twins:
            there = ", ".join(f"{other}@{its}" for other, its in [(name, digest), *twins])
            hint = f"name one by its digest: {reference.name}@{digest}"
            raise BadPlatform(f"{reference} is there for {name} more than once: {there}", hint=hint)


def _only(reference: ImageReference, found: Platforms, platform: str) -> tuple[str, str]:
    exact = tuple(entry for entry in found if entry[0] == platform)
    chosen = exact or tuple(entry for entry in found if same_platform(entry[0], platform))
    if not chosen:
        there = ", ".join(name for name, _ in found)
        raise BadPlatform(f"{reference} is not there for {platform}; there are: {there}", hint="choose one of them")
    must_be_clear(reference, chosen)
    return chosen[0]


def _platforms(manifest: RegistryManifest, registry: RegistryClient) -> Platforms:
    if not manifest.is_index:
        return ((_name(registry.config(manifest)), manifest.digest),)
    entries = ((entry.get("platform") or {}, entry["digest"]) for entry in manifest.document["manifests"])
    # What BuildKit attaches to an image, such as where it comes from, has a platform that is none.
    return tuple(
        (_name(platform), digest) for platform, digest in entries if platform.get("os", "unknown") != "unknown"
    )


def _name(platform: dict[str, Any]) -> str:
    parts = (platform.get("os"), platform.get("architecture"), platform.get("variant"))
    return "/".join(part for part in parts if part)
