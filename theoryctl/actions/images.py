"""The work behind `theoryctl image`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from theoryctl.actions.manifests import must_be_own, write_pins
from theoryctl.errors import DigestDrift, DockerFailed, ImageNotFound, NotPinned, NotRunning, UsageError
from theoryctl.hints import again, command
from theoryctl.images.choice import BuildPlan, ImageWish, base_image, choose, not_pinned, tagged
from theoryctl.manifests.catalog import Catalog, Found
from theoryctl.manifests.model import Image
from theoryctl.platforms import image_platform, parse_platform, same_platform
from theoryctl.progress import Progress
from theoryctl.refs import PATTERN, ProviderRef
from theoryctl.registry.reference import ImageReference
from theoryctl.results.images import ImageBuilt, ImagePinned, ImagePublished, ImagePushed, ImageResolved, ImageVerified


def resolve_image(text: str, platform: str | None, folder: str | None) -> ImageResolved:
    """Resolve an image reference, or the image of a provider ref, in its registry."""
    from theoryctl.images.resolve import resolve

    chosen = _platform(platform)
    reference = _reference(text, chosen, folder)
    found = resolve(reference, chosen)
    return ImageResolved(str(reference), reference.name, found.digest, found.platforms, chosen)


def pinned_image(text: str, platform: str | None, folder: str | None) -> ImageResolved:
    """Look up what the manifest of a provider ref pins, for all platforms or for the one asked for; nobody is asked.

    Raises BadRef for what is no ref, NotPinned (`ERR_NOT_PINNED`) where nothing is pinned, and BadPlatform
    (`ERR_PLATFORM`) where the platform is not.
    """
    ref, chosen = ProviderRef.parse(text), _platform(platform)
    image = _image_of(Catalog(folder).find(ref))
    pins = sorted((name, digest) for name, digest in image.digests.items() if chosen in (None, name))
    pins = pins or sorted((name, digest) for name, digest in image.digests.items() if same_platform(name, chosen or ""))
    if not pins:
        raise not_pinned(ref, image, chosen)
    digest = pins[0][1] if chosen else None
    reference = f"{image.repository}@{digest}" if digest else image.repository
    return ImageResolved(reference, ImageReference.parse(reference).name, digest, tuple(pins), chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """Options of a build: the ref's image on `base`, for `platform` (default: the daemon's), called `tag`."""

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
    from theoryctl.docker.daemon import connected
    from theoryctl.docker.images import must_inspect

    with connected() as api:
        plan, image_id, built = _built(api, options, progress)
        seen = must_inspect(api, image_id)
    return ImageBuilt(str(options.ref), plan.tag, image_id, plan.platform, plan.base, seen.size, seen.layers, built)


def push_image(options: BuildOptions, to: str | None, progress: Progress) -> ImagePushed:
    """Push the image of a ref, built first unless it is up to date: to `to`, else to the manifest's repository at
    `latest`, where `pin_image` looks for it.

    Raises UsageError for a target with a digest, NotPinned for a manifest without an image, and what building and
    pushing raise.
    """
    from theoryctl.docker.daemon import connected
    from theoryctl.images.push import push

    name = to if to is not None else _image_of(Catalog(options.manifests).find(options.ref)).repository
    target = ImageReference.parse(tagged("--to", name))
    with connected() as api:
        plan, image_id, _ = _built(api, options, progress)
        digest = push(api, image_id, target, progress)
    return ImagePushed(str(options.ref), f"{target.name}@{digest}", digest, plan.platform)


def publish_image(options: BuildOptions, to: str | None, progress: Progress) -> ImagePublished:
    """Push the image of a ref to the manifest's repository, at `latest` or as `to` says, and pin what is there then.

    Raises BadManifest for a manifest that cannot be written and UsageError for another repository than its own, both
    before anything is built, and what building, pushing, resolving and pinning raise.
    """
    from theoryctl.images.resolve import resolve

    found = Catalog(options.manifests).find(options.ref)
    must_be_own(found)
    repository = _image_of(found).repository
    _must_be_of(repository, ImageReference.parse(repository if to is None else to), found, "--to")
    pushed = push_image(options, repository if to is None else to, progress)
    # Of an index, which some daemons push, the platform's own manifest is what counts.
    digest = resolve(ImageReference.parse(pushed.reference), pushed.platform).platforms[0][1]
    changed = _image_of(found).pin(pushed.platform) != digest
    if changed:
        write_pins(found, {pushed.platform: digest})
    reference = f"{pushed.reference.partition('@')[0]}@{digest}"
    return ImagePublished(str(options.ref), reference, digest, pushed.platform, str(found.file), changed)


def _must_be_of(repository: str, reference: ImageReference, found: Found, flag: str) -> None:
    """Refuse to pin an image of another repository than the manifest's."""
    if reference.name != ImageReference.parse(repository).name:
        message = f"{found.ref} is pinned in {repository}, and {flag} names {reference.name}"
        raise UsageError(message, hint=f"write image.repository: {reference.name} into {found.file} first")


@dataclass(frozen=True, slots=True, kw_only=True)
class PinOptions:
    """Options of a pin: the tag or digest `oci` (default: the manifest's repository at `latest`), resolved for
    `platform` or for every platform that it has."""

    ref: ProviderRef
    manifests: str | None = None
    oci: str | None = None
    platform: str | None = None

    @property
    def command(self) -> str:
        """The command line that pins with these options."""
        flags = {"--ref": str(self.ref), "--oci": self.oci, "--platform": self.platform, "--manifests": self.manifests}
        words = [word for name, value in flags.items() if value is not None for word in (name, value)]
        return shlex.join(["theoryctl", "image", "pin", *words])


def pin_image(options: PinOptions, progress: Progress) -> ImagePinned:
    """Write into the manifest what an image is now. A pin for a platform that it is no longer there for stays.

    Raises BadManifest for a manifest that cannot be written, NotPinned for one without an image, UsageError for another
    repository than the manifest's, BadPlatform for a platform that is there twice, and what resolving raises.
    """
    found = Catalog(options.manifests).find(options.ref)
    must_be_own(found)
    pins = _pins(found, options)
    if pins.stale:
        write_pins(found, pins.stale)
    if pins.lost:
        progress.step(f"{found.file}: the image is no longer there for {', '.join(pins.lost)}, whose pin stays")
    return ImagePinned(str(options.ref), str(found.file), pins.resolved, changed=bool(pins.stale))


def check_pins(options: PinOptions) -> ImagePinned:
    """Check that `pin_image` would change nothing, and that the image still has every platform that is pinned.

    Raises DigestDrift if not, and what `pin_image` raises, but for what writing raises.
    """
    found = Catalog(options.manifests).find(options.ref)
    pins = _pins(found, options)
    if pins.stale:
        raise DigestDrift(f"{found.file}: stale for {', '.join(pins.stale)}", hint=again(options.command, check=None))
    if pins.lost:
        hint = f"take them out of image.digests in {found.file}, or push for them"
        raise DigestDrift(f"{found.file}: the image is no longer there for {', '.join(pins.lost)}", hint=hint)
    return ImagePinned(str(options.ref), str(found.file), pins.resolved, changed=False)


@dataclass(frozen=True, slots=True)
class _Pins:
    """The digest of an image for each platform, the pins that are stale, and the pinned platforms that it lost."""

    resolved: tuple[tuple[str, str], ...]
    stale: dict[str, str]
    lost: tuple[str, ...]


def _pins(found: Found, options: PinOptions) -> _Pins:
    from theoryctl.images.resolve import must_be_clear, resolve

    image, platform = _image_of(found), _platform(options.platform)
    reference = ImageReference.parse(image.repository if options.oci is None else options.oci)
    _must_be_of(image.repository, reference, found, "--oci")
    resolved = resolve(reference, platform).platforms
    must_be_clear(reference, resolved)
    stale = {name: digest for name, digest in resolved if image.pin(name) != digest}
    there = [platform] if platform else [name for name, _ in resolved]
    lost = () if platform else tuple(name for name in image.digests if not _any_same(name, there))
    return _Pins(resolved, stale, lost)


def _any_same(platform: str, others: list[str]) -> bool:
    return any(same_platform(platform, other) for other in others)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """Options of a verification: the manifest is compared with the registry at `tag` and with the provider that runs in
    `runtime`, on Modal in `environment`."""

    ref: ProviderRef
    manifests: str | None = None
    runtime: str = "local"
    environment: str | None = None
    tag: str = "latest"


def verify_image(options: VerifyOptions, progress: Progress) -> ImageVerified:
    """Compare the digests of the manifest, the registry and the running provider.

    Raises UsageError for a runtime that has no image, NotPinned where the manifest names none, DockerFailed where
    nobody can tell what runs, and what resolving and asking raise.
    """
    from theoryctl.images.resolve import resolve

    ref, ask = options.ref, _RUNNING.get(options.runtime)
    if ask is None:
        raise UsageError(
            f"--runtime {options.runtime!r} runs no image", hint=f"use --runtime {' or --runtime '.join(_RUNNING)}"
        )
    image = _image_of(Catalog(options.manifests).find(ref))
    where, digest, platform = ask(options)
    registry = resolve(ImageReference.parse(f"{image.repository}:{options.tag}"), platform).platforms[0][1]
    pin = _own_manifest(image, platform)
    if pin is None:
        progress.step(f"nothing is pinned for {platform}: {PinOptions(ref=ref, manifests=options.manifests).command}")
    rows = (("manifest", pin), (f"registry, {options.tag}", registry), (where, digest))
    return ImageVerified(str(ref), image.repository, platform, rows)


def _own_manifest(image: Image, platform: str) -> str | None:
    """The digest pinned for a platform; of an index, that of the platform's own manifest in it."""
    from theoryctl.images.resolve import resolve

    pin = image.pin(platform)
    if pin is None:
        return None
    try:
        return resolve(ImageReference.parse(f"{image.repository}@{pin}"), platform).platforms[0][1]
    except ImageNotFound:  # it has another digest than whatever the registry has
        return pin


#: The name of the place where a provider runs, the digest of its image (None where nothing runs), and its platform.
_Running = tuple[str, str | None, str]


def _in_docker(options: VerifyOptions) -> _Running:
    from theoryctl.runtimes.find import require, started_runtime

    ref = options.ref
    if options.environment is not None:
        raise UsageError(
            "--env: only Modal has environments", hint=again("add --runtime modal, or leave it out", runtime="modal")
        )
    instance = None
    with suppress(NotRunning):
        instance = require(ref, "docker")
    state = "dead" if instance is None else started_runtime("docker").state(instance).name
    if state == "unknown":
        raise DockerFailed(f"Docker does not say whether {ref} runs", hint="start Docker, and look with: docker info")
    if instance is None or state != "running":
        return "container", None, image_platform()
    return "container", instance.digest, instance.platform


def _on_modal(options: VerifyOptions) -> _Running:
    from theoryctl.modal.apps import deployed_digest
    from theoryctl.modal.deployment import PLATFORM
    from theoryctl.modal.names import environment_name

    environment = environment_name(options.environment)
    return f"modal, {environment}", deployed_digest(options.ref, environment), PLATFORM


#: The function that finds what runs, by the value of `--runtime`.
_RUNNING: dict[str, Callable[[VerifyOptions], _Running]] = {"local": _in_docker, "modal": _on_modal}


def _image_of(found: Found) -> Image:
    image = found.load().image
    if image is None:
        raise NotPinned(f"the manifest of {found.ref} names no image", hint=command("manifest show", str(found.ref)))
    return image


def _built(api: Any, options: BuildOptions, progress: Progress) -> tuple[BuildPlan, str, bool]:
    """The image of the manifest's context, whatever it pins: its plan and ID, and whether it was built now."""
    from theoryctl.docker.daemon import platform_of
    from theoryctl.images.build import build

    found = Catalog(options.manifests).find(options.ref)
    base, image = base_image(options.base), found.load().image
    wish = ImageWish(ref=found.ref, image=image, root=found.root, build=True, base=base, tag=options.tag)
    plan = choose(wish, _platform(options.platform) or platform_of(api))
    assert isinstance(plan, BuildPlan)
    return plan, *build(api, plan, progress, no_cache=options.no_cache)


def _platform(flag: str | None) -> str | None:
    return None if flag is None else parse_platform(flag)


def _reference(text: str, platform: str | None, folder: str | None) -> ImageReference:
    if "@" not in text or ":" in text or text.count("/") > 1:
        _must_not_be_a_ref_without_version(text, folder)
        return ImageReference.parse(text)
    ref = ProviderRef.parse(text)
    image = _image_of(Catalog(folder).find(ref))
    digest = image.pin(platform or image_platform())
    return ImageReference.parse(f"{image.repository}@{digest}" if digest else image.repository)


def _must_not_be_a_ref_without_version(text: str, folder: str | None) -> None:
    if not re.fullmatch(PATTERN, f"{text}@1"):
        return
    near = [found.ref for found in Catalog(folder).all() if f"{found.ref.namespace}/{found.ref.name}" == text]
    if near:
        hint = again(f"use {near[-1]}; the image of that name is docker.io/{text}", ref=near[-1])
        raise UsageError(f"{text!r} is a provider ref without its version", hint=hint)
