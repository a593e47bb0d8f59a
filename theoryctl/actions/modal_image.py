"""The image that `theoryctl modal start` deploys, and the way to one where there is none yet."""

from __future__ import annotations

from pathlib import Path

from theoryctl.actions.manifests import is_own
from theoryctl.errors import NotPinned, TheoryctlError
from theoryctl.hints import Hint, command
from theoryctl.images.choice import ImageWish, Pinned, choose
from theoryctl.manifests.cache import load_manifest
from theoryctl.manifests.catalog import Catalog, Found, bundled_folder
from theoryctl.manifests.model import Image
from theoryctl.modal.deployment import PLATFORM
from theoryctl.refs import ProviderRef
from theoryctl.registry.reference import ImageReference


def image_to_deploy(found: Found, environment: str, oci: str | None) -> Pinned:
    """The image by its digest: `--oci`, else the manifest's pin for linux/amd64. Modal builds nothing.

    Raises NotPinned (`ERR_NOT_PINNED`), whose hint is the whole way from here to an app.
    """
    image = found.load().image
    if oci is not None and ImageReference.parse(oci).digest is None:
        message = f"--oci {oci}: a tag can move, so an image is named by its digest"
        raise NotPinned(message, hint=command("image resolve", oci, platform=PLATFORM))
    if oci is None and image is None:
        hint = f"add image.repository and image.build to {found.file}"
        raise NotPinned(f"the manifest of {found.ref} names no image", hint=hint)
    if oci is None and image is not None and image.pin(PLATFORM) is None:
        raise NotPinned(
            f"the manifest of {found.ref} pins no image for {PLATFORM}", hint=_way(found, image, environment)
        )
    chosen = choose(ImageWish(ref=found.ref, image=image, root=Path(), oci=oci, require_pin=True), PLATFORM)
    assert isinstance(chosen, Pinned)
    return chosen


def pinned_here(ref: ProviderRef, manifests: str | None) -> str | None:
    """Return the digest that the manifest pins; None without a pin, and without a manifest, as on another machine."""
    try:
        return Catalog(manifests).find(ref).load().pin(PLATFORM)
    except TheoryctlError:
        return None


def _way(found: Found, image: Image, environment: str) -> Hint:
    """Spell the commands from a manifest without a pin to an app; a repository that is not the user's comes first."""
    ref = found.ref
    way = command("image pin", ref=ref, oci=None, platform=PLATFORM)
    if image.build is not None:
        way = command("image push", ref=ref, platform=PLATFORM).then(way)
    way = way.then(command("modal start", ref=ref, env=environment))
    if not is_own(found):
        copy = command("manifest export", str(ref), to="./manifests")
        return way.after(f"{copy}, then {_set_repository(f'./manifests/{ref.file}')}")
    return way.after(_set_repository(found.file)) if image.repository == _shipped_repository(found) else way


def _set_repository(file: str | Path) -> str:
    return f"set image.repository in {file} to a repository that you may push to"


def _shipped_repository(found: Found) -> str | None:
    """The repository that the manifest of the ref has which came with theoryctl; None where there is none."""
    file = bundled_folder() / found.ref.file
    image = load_manifest(file, found.ref).image if file.is_file() else None
    return image.repository if image else None
