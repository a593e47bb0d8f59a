"""The work behind `theoryctl image`."""

from __future__ import annotations

from theoryctl.catalog import Catalog, Found
from theoryctl.errors import NotPinned
from theoryctl.images.choice import BuildPlan, ImageWish, base_image, choose
from theoryctl.oci import ImageReference
from theoryctl.platforms import host_platform
from theoryctl.progress import Progress
from theoryctl.refs import ProviderRef
from theoryctl.results import ImageBuilt, ImageResolved


def resolve_image(text: str, platform: str | None, folder: str | None) -> ImageResolved:
    """What an image reference, or the image of a provider ref, is in its registry."""
    from theoryctl.images.resolve import resolve

    return resolve(_reference(text, platform, folder), platform)


def build_image(
    ref: ProviderRef, folder: str | None, *, base: str | None, anew: bool, progress: Progress
) -> ImageBuilt:
    """Build the image of a ref, unless it is up to date and not wanted `anew`.

    Raises NotPinned where its manifest has no build context, and what `images.build.build` raises.
    """
    from theoryctl.daemon import connected, platform_of
    from theoryctl.images.build import build

    found = Catalog(folder).find(ref)
    with connected() as api:
        plan = choose(_wish(found, base, anew), platform_of(api))
        assert isinstance(plan, BuildPlan)
        image_id, built = build(api, plan, progress)
        seen = api.inspect_image(image_id)
    layers = len(seen["RootFS"]["Layers"])
    return ImageBuilt(str(ref), plan.tag, image_id, plan.platform, plan.base, seen["Size"], layers, built)


def _wish(found: Found, base: str | None, anew: bool) -> ImageWish:
    """A build of the manifest's context, whatever it pins."""
    image = found.load().image
    return ImageWish(ref=found.ref, image=image, root=found.root, build=True, anew=anew, base=base_image(base))


def _reference(text: str, platform: str | None, folder: str | None) -> ImageReference:
    if "@" not in text or "@sha256:" in text:
        return ImageReference.parse(text)
    ref = ProviderRef.parse(text)
    image = Catalog(folder).find(ref).load().image
    if image is None:
        raise NotPinned(f"the manifest of {ref} names no image", hint=f"theoryctl manifest show {ref}")
    digest = image.pin(platform or host_platform())
    return ImageReference.parse(f"{image.repository}@{digest}" if digest else image.repository)
