"""The work behind `theoryctl image`."""

from __future__ import annotations

from theoryctl.catalog import Catalog, Found
from theoryctl.errors import DigestDrift, NotPinned, UsageError
from theoryctl.images.choice import BuildPlan, ImageWish, base_image, choose
from theoryctl.manifest import Image
from theoryctl.manifests import must_be_own, write_pins
from theoryctl.oci import ImageReference
from theoryctl.platforms import host_platform
from theoryctl.progress import Progress
from theoryctl.refs import ProviderRef
from theoryctl.results import ImageBuilt, ImagePinned, ImagePushed, ImageResolved, ImageVerified


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


def push_image(ref: ProviderRef, folder: str | None, *, to: str, base: str | None, progress: Progress) -> ImagePushed:
    """Push the image of a ref, built first unless it is up to date. Raises UsageError for a target with a digest, and
    what building and pushing raise."""
    from theoryctl.daemon import connected, platform_of
    from theoryctl.images.build import build
    from theoryctl.images.push import push

    target = ImageReference.parse(to)
    if target.digest is not None:
        raise UsageError(f"--to {to}: a digest is what comes of pushing", hint=f"--to {target.name}:latest")
    with connected() as api:
        plan = choose(_wish(Catalog(folder).find(ref), base, False), platform_of(api))
        assert isinstance(plan, BuildPlan)
        image_id, _ = build(api, plan, progress)
        digest = push(api, image_id, target, progress)
    return ImagePushed(str(ref), f"{target.name}@{digest}", digest, plan.platform)


def pin_image(
    ref: ProviderRef, folder: str | None, *, oci: str | None, platform: str | None, check: bool
) -> ImagePinned:
    """Write into the manifest what an image's tag is now: `oci`, else the manifest's repository at `latest`.

    With `check` nothing is written. Raises DigestDrift where it would have been, BadManifest for a manifest that cannot
    be written, NotPinned for one without an image, and what resolving raises.
    """
    from theoryctl.images.resolve import resolve

    found = Catalog(folder).find(ref)
    image = _image_of(found)
    if not check:
        must_be_own(found)
    resolved = resolve(ImageReference.parse(oci or image.repository), platform)
    if resolved.repository != ImageReference.parse(image.repository).name:
        message = f"{ref} is pinned in {image.repository}, and --oci names {resolved.repository}"
        raise UsageError(message, hint=f"write image.repository: {resolved.repository} into {found.file} first")
    stale = {name: digest for name, digest in resolved.platforms if image.pin(name) != digest}
    if stale and check:
        names = ", ".join(stale)
        raise DigestDrift(f"{found.file}: stale for {names}", hint=f"theoryctl image pin --ref {ref}")
    if stale:
        write_pins(found, stale)
    return ImagePinned(str(ref), str(found.file), resolved.platforms, changed=bool(stale))


def verify_image(ref: ProviderRef, folder: str | None, *, tag: str) -> ImageVerified:
    """Who has which digest: the manifest, the registry at `tag`, and the container that runs.

    Raises NotPinned where the manifest names no image, and what resolving raises.
    """
    from theoryctl import instances
    from theoryctl.images.resolve import resolve

    image = _image_of(Catalog(folder).find(ref))
    instance = instances.load(ref, "docker")
    platform = instance.platform if instance else f"linux/{host_platform().rpartition('/')[2]}"
    pin = image.pin(platform)
    registry = resolve(ImageReference.parse(f"{image.repository}:{tag}"), platform).platforms[0][1]
    rows = [("manifest", pin), (f"registry, {tag}", registry), ("container", instance.digest if instance else None)]
    return ImageVerified(str(ref), image.repository, platform, tuple(rows))


def _image_of(found: Found) -> Image:
    image = found.load().image
    if image is None:
        raise NotPinned(f"the manifest of {found.ref} names no image", hint=f"theoryctl manifest show {found.ref}")
    return image


def _wish(found: Found, base: str | None, anew: bool) -> ImageWish:
    """A build of the manifest's context, whatever it pins."""
    image = found.load().image
    return ImageWish(ref=found.ref, image=image, root=found.root, build=True, anew=anew, base=base_image(base))


def _reference(text: str, platform: str | None, folder: str | None) -> ImageReference:
    if "@" not in text or "@sha256:" in text:
        return ImageReference.parse(text)
    ref = ProviderRef.parse(text)
    image = _image_of(Catalog(folder).find(ref))
    digest = image.pin(platform or host_platform())
    return ImageReference.parse(f"{image.repository}@{digest}" if digest else image.repository)
