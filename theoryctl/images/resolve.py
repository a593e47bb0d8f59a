"""From a reference to the digest of each platform's own manifest, by asking the registry; no daemon is needed."""

from __future__ import annotations

from typing import Any

from theoryctl.daemon import login_for
from theoryctl.errors import BadPlatform
from theoryctl.oci import ImageReference
from theoryctl.platforms import same_platform
from theoryctl.registry import RegistryClient, RegistryManifest
from theoryctl.results import ImageResolved


def resolve(reference: ImageReference, platform: str | None) -> ImageResolved:
    """What a reference is, for all its platforms or the one asked for.

    Raises BadPlatform (`ERR_PLATFORM`) that lists those there are, and what a RegistryClient raises.
    """
    with RegistryClient(reference, login_for) as registry:
        manifest = registry.manifest(reference.digest or reference.tag or "latest")
        found = tuple(sorted(_platforms(manifest, registry)))
    if platform is not None:
        chosen = tuple(entry for entry in found if same_platform(entry[0], platform))
        if not chosen:
            there = ", ".join(name for name, _ in found) or "none"
            raise BadPlatform(f"{reference} is not there for {platform}; there are: {there}", hint="choose one of them")
        found = chosen
    return ImageResolved(str(reference), reference.name, manifest.digest, found, platform)


def _platforms(manifest: RegistryManifest, registry: RegistryClient) -> tuple[tuple[str, str], ...]:
    if not manifest.is_index:
        return ((_name(registry.config(manifest)), manifest.digest),)
    entries = ((entry.get("platform") or {}, entry["digest"]) for entry in manifest.document.get("manifests", []))
    # What BuildKit attaches to an image, such as where it comes from, has a platform that is none.
    return tuple(
        (_name(platform), digest) for platform, digest in entries if platform.get("os", "unknown") != "unknown"
    )


def _name(platform: dict[str, Any]) -> str:
    parts = (platform.get("os"), platform.get("architecture"), platform.get("variant"))
    return "/".join(part for part in parts if part)
