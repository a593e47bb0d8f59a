"""Choose the image that a provider runs from: from the manifest and the flags alone, before anything is fetched."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from theoryctl.errors import BadPlatform, NotPinned, UsageError
from theoryctl.hints import NO_IMAGE, again, command
from theoryctl.images.context import BuildContext, find_context
from theoryctl.manifests.code import code_paths
from theoryctl.manifests.model import Image
from theoryctl.refs import ProviderRef
from theoryctl.registry.reference import ImageReference

DEFAULT_BASE = "python:3.12-slim"
LOCAL_TAG = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageWish:
    """The image that is wanted: the manifest's words, the folder their paths are relative to, and the flags.

    `oci` names an image by its digest, `build` wants one from here, and `anew` even where there is one of the same
    context; `require_pin` refuses whatever is not pinned; `base` is the image to build on, `tag` what to call it.
    `platform` is the one to run, None for the daemon's own.
    """

    ref: ProviderRef
    image: Image | None
    root: Path
    oci: str | None = None
    build: bool = False
    anew: bool = False
    require_pin: bool = False
    base: str = DEFAULT_BASE
    tag: str | None = None
    platform: str | None = None

    @property
    def code(self) -> tuple[str, ...]:
        """Folders from which a runtime without images imports the image's packages."""
        return code_paths(self.root, self.image)


@dataclass(frozen=True, slots=True)
class Pinned:
    """An image by its digest; `reference` is `repository@sha256:…`."""

    reference: str
    digest: str
    platform: str

    @property
    def source(self) -> str:
        """The identity of this choice: the pinned reference."""
        return self.digest


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """An image that is built here, and then called `tag`; `forced` even where there is one of the same context."""

    tag: str
    context: BuildContext
    base: str
    platform: str
    forced: bool

    @property
    def source(self) -> str:
        """The identity of this choice: the digest of all that goes into the image."""
        return self.context.digest


def base_image(flag: str | None) -> str:
    """`--base-image`, else THEORYCTL_BASE_IMAGE, else Docker's Python. Raises UsageError for what is no image."""
    variable = os.environ.get("THEORYCTL_BASE_IMAGE") if flag is None else None
    try:
        return str(ImageReference.parse(variable or (DEFAULT_BASE if flag is None else flag)))
    except UsageError as error:
        if not variable:
            raise
        raise UsageError(f"THEORYCTL_BASE_IMAGE: {error.message}", hint="unset THEORYCTL_BASE_IMAGE") from None


def choose(wish: ImageWish, platform: str) -> Pinned | BuildPlan:
    """`--oci`, else what the manifest pins for the platform, else a build.

    Raises NotPinned (`ERR_NOT_PINNED`), BadPlatform (`ERR_PLATFORM`), UsageError for flags that exclude each other, and
    BadManifest for a build context that is not there.
    """
    if wish.build and (wish.oci or wish.require_pin):
        other = "--oci" if wish.oci else "--require-pin"
        raise UsageError(f"--build and {other} exclude each other", hint="leave one of them out")
    if wish.oci is not None:
        return _override(wish.oci, platform)
    if wish.image and not wish.build and (digest := wish.image.pin(platform)):
        return Pinned(f"{wish.image.repository}@{digest}", digest, platform)
    if wish.require_pin or wish.image is None or wish.image.build is None:
        raise _not_pinned(wish, platform)
    context = find_context(wish.root, wish.image.build)
    tag = f"{wish.image.repository}:{LOCAL_TAG}" if wish.tag is None else tagged("--tag", wish.tag)
    return BuildPlan(tag, context, wish.base, platform, wish.anew)


def tagged(flag: str, text: str) -> str:
    """A flag's image name with its tag, `latest` where it has none. Raises UsageError for one with a digest, which is
    what comes of an image and not what it is called."""
    reference = ImageReference.parse(text)
    name = f"{reference.name}:{reference.tag or 'latest'}"
    if reference.digest is not None:
        hint = again("leave the digest out", **{flag.removeprefix("--"): name})
        raise UsageError(f"{flag} {text}: expected a tag, got a digest, which only a build or a push makes", hint=hint)
    return name


def _override(text: str, platform: str) -> Pinned:
    reference = ImageReference.parse(text)
    if reference.digest is None:
        raise NotPinned(
            f"--oci {text}: a tag can move, so an image is named by its digest",
            hint=command("image resolve", text, platform=platform),
        )
    return Pinned(f"{reference.name}@{reference.digest}", reference.digest, platform)


def _not_pinned(wish: ImageWish, platform: str) -> NotPinned | BadPlatform:
    if wish.image is None:
        start = command("local start", ref=wish.ref, runtime="process", **NO_IMAGE)
        hint = "name an image in the manifest, and pin its digest" if wish.require_pin else start
        return NotPinned(f"the manifest of {wish.ref} names no image", hint=hint)
    missing = "has no build context" if wish.image.build is None else "--require-pin wants one"
    return not_pinned(wish.ref, wish.image, platform, f", and {missing}")


def not_pinned(ref: ProviderRef, image: Image, platform: str | None, why: str = "") -> NotPinned | BadPlatform:
    """Make the error of a manifest that pins nothing, or nothing for a platform; `why` tells why that matters."""
    hint = command("image pin", ref=ref, platform=platform, oci=None)
    if image.digests:
        there = ", ".join(sorted(image.digests))
        return BadPlatform(f"{ref} is pinned for {there}, and not for {platform}", hint=hint)
    return NotPinned(f"{ref} pins no digest of {image.repository}{why}", hint=hint)
