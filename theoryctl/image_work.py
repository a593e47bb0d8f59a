"""The work behind `theoryctl image`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from theoryctl.catalog import Catalog, Found
from theoryctl.errors import DigestDrift, NotPinned, UsageError
from theoryctl.images.choice import BuildPlan, ImageWish, base_image, choose, tagged
from theoryctl.manifest import Image
from theoryctl.manifests import must_be_own, write_pins
from theoryctl.oci import ImageReference
from theoryctl.platforms import host_platform, parse_platform
from theoryctl.progress import Progress
from theoryctl.refs import ProviderRef
from theoryctl.results import ImageBuilt, ImagePinned, ImagePushed, ImageResolved, ImageVerified


def resolve_image(text: str, platform: str | None, folder: str | None) -> ImageResolved:
    """What an image reference, or the image of a provider ref, is in its registry."""
    from theoryctl.images.resolve import resolve

    chosen = platform and parse_platform(platform)
    return resolve(_reference(text, chosen, folder), chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """What is to be built: the ref's image on `base`, for `platform` (default: the daemon's), called `tag`."""

    ref: ProviderRef
    manifests: str | None = None
    base: str | None = None
    platform: str | None = None
    tag: str | None = None
    no_cache: bool = False


def build_image(options: BuildOptions, progress: Progress) -> ImageBuilt:
    """Build the image of a ref, unless it is up to date.

    Raises NotPinned where its manifest has no build context, and what `images.build.build` raises.
    """
    from theoryctl.daemon import connected

    with connected() as api:
        plan, image_id, built = _built(api, options, progress)
        seen = api.inspect_image(image_id)
    layers = len(seen["RootFS"]["Layers"])
    return ImageBuilt(str(options.ref), plan.tag, image_id, plan.platform, plan.base, seen["Size"], layers, built)


def push_image(options: BuildOptions, to: str, progress: Progress) -> ImagePushed:
    """Push the image of a ref, built first unless it is up to date. Raises UsageError for a target with a digest, and
    what building and pushing raise."""
    from theoryctl.daemon import connected
    from theoryctl.images.push import push

    target = ImageReference.parse(tagged("--to", to))
    with connected() as api:
        plan, image_id, _ = _built(api, options, progress)
        digest = push(api, image_id, target, progress)
    return ImagePushed(str(options.ref), f"{target.name}@{digest}", digest, plan.platform)


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
    chosen = platform and parse_platform(platform)
    if not check:
        must_be_own(found)
    resolved = resolve(ImageReference.parse(oci or image.repository), chosen)
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


def verify_image(ref: ProviderRef, folder: str | None, *, runtime: str, tag: str) -> ImageVerified:
    """Who has which digest: the manifest, the registry at `tag`, and what runs in that runtime.

    Raises UsageError for a runtime that has no image, NotPinned where the manifest names none, and what resolving and
    asking raise.
    """
    from theoryctl.images.resolve import resolve

    ask = _RUNNING.get(runtime)
    if ask is None:
        raise UsageError(f"--runtime {runtime!r} runs no image", hint=f"choose {' or '.join(_RUNNING)}")
    image = _image_of(Catalog(folder).find(ref))
    where, digest, platform = ask(ref)
    registry = resolve(ImageReference.parse(f"{image.repository}:{tag}"), platform).platforms[0][1]
    rows = (("manifest", image.pin(platform)), (f"registry, {tag}", registry), (where, digest))
    return ImageVerified(str(ref), image.repository, platform, rows)


def _in_docker(ref: ProviderRef) -> tuple[str, str | None, str]:
    """What is to be called where it runs, the digest of the running container's image, and its platform."""
    from theoryctl import instances
    from theoryctl.runtimes import started_runtime

    instance = instances.load(ref, "docker")
    if instance is None or started_runtime("docker").state(instance).name == "dead":
        return "container", None, f"linux/{host_platform().rpartition('/')[2]}"
    return "container", instance.digest, instance.platform


#: Who is asked what runs, by what `--runtime` calls it.
_RUNNING: dict[str, Callable[[ProviderRef], tuple[str, str | None, str]]] = {"local": _in_docker}


def _image_of(found: Found) -> Image:
    image = found.load().image
    if image is None:
        raise NotPinned(f"the manifest of {found.ref} names no image", hint=f"theoryctl manifest show {found.ref}")
    return image


def _built(api: Any, options: BuildOptions, progress: Progress) -> tuple[BuildPlan, str, bool]:
    """The image of the manifest's context, whatever it pins: its plan and ID, and whether it was built now."""
    from theoryctl.daemon import platform_of
    from theoryctl.images.build import build

    found = Catalog(options.manifests).find(options.ref)
    base, image = base_image(options.base), found.load().image
    wish = ImageWish(ref=found.ref, image=image, root=found.root, build=True, base=base, tag=options.tag)
    plan = choose(wish, parse_platform(options.platform) if options.platform else platform_of(api))
    assert isinstance(plan, BuildPlan)
    return plan, *build(api, plan, progress, no_cache=options.no_cache)


def _reference(text: str, platform: str | None, folder: str | None) -> ImageReference:
    if "@" not in text or "@sha256:" in text:
        return ImageReference.parse(text)
    ref = ProviderRef.parse(text)
    image = _image_of(Catalog(folder).find(ref))
    digest = image.pin(platform or host_platform())
    return ImageReference.parse(f"{image.repository}@{digest}" if digest else image.repository)
