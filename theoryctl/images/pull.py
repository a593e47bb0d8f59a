"""Fetching an image by its digest, and holding what came against it."""

from __future__ import annotations

from typing import Any

from theoryctl.docker.daemon import explained
from theoryctl.docker.images import SeenImage, inspect
from theoryctl.docker.progress_lines import Told
from theoryctl.errors import (
    BadPlatform,
    ImageNotFound,
    RegistryAuth,
    RegistryFailed,
    TheoryctlError,
    VerificationFailed,
)
from theoryctl.images.choice import Pinned
from theoryctl.images.resolve import resolve
from theoryctl.platforms import same_platform
from theoryctl.progress import Progress
from theoryctl.registry.reference import ImageReference

#: What daemons say, by what it means; the first that is found counts. They answer 500 to all of it.
_REFUSALS: tuple[tuple[type[TheoryctlError], tuple[str, ...]], ...] = (
    (
        VerificationFailed,
        ("verification failed", "unexpected commit digest", "failed precondition", "does not match digest"),
    ),
    (
        RegistryAuth,
        ("no basic auth", "unauthorized", "authentication required", "denied", "forbidden", "incorrect username"),
    ),
    (BadPlatform, ("no matching manifest for", "does not match the specified platform")),
    (ImageNotFound, ("manifest unknown", "not found", "repository does not exist", "name unknown")),
)


def pull(api: Any, image: Pinned, progress: Progress) -> tuple[str, str]:
    """Have an image here that is known by its digest, from its registry if need be.

    Returns its ID and its digest: of an index, that of the platform's own manifest. Raises what `fetch` raises,
    VerificationFailed where something else came, BadPlatform where it is of another one.
    """
    digest, here = image.digest, inspect(api, image.reference)
    if here is None:
        digest = _resolved(image)
        reference = f"{ImageReference.parse(image.reference).name}@{digest}"
        here = inspect(api, reference) or _pulled(api, reference, image.platform, progress)
    if here is None or not any(name.endswith(f"@{digest}") for name in here.digests):
        raise VerificationFailed(
            f"{image.reference} was pulled, and Docker has no image of that digest", hint="run the command again"
        )
    must_fit(image.reference, here, image.platform, hint=f"name the digest for {image.platform}")
    return here.id, digest


def _resolved(image: Pinned) -> str:
    """The digest of the platform's own manifest, as the registry proves it before anything is fetched."""
    try:
        return resolve(ImageReference.parse(image.reference), image.platform).platforms[0][1]
    except RegistryFailed:
        # The daemon may have a way of its own: a certificate that it alone trusts, or a mirror.
        return image.digest


def _pulled(api: Any, reference: str, platform: str, progress: Progress) -> SeenImage | None:
    progress.step(f"pulling {reference}")
    fetch(api, reference, platform, progress)
    return inspect(api, reference)


def fetch(api: Any, reference: str, platform: str, progress: Progress) -> None:
    """Pull an image. Raises RegistryFailed, RegistryAuth, ImageNotFound, BadPlatform or VerificationFailed."""
    parsed = ImageReference.parse(reference)

    def explain(words: str) -> TheoryctlError:
        return failure("pulling", parsed, words)

    with explained(explain):
        for told in api.pull(
            parsed.name, tag=parsed.digest or parsed.tag or "latest", stream=True, decode=True, platform=platform
        ):
            # An error in the middle of the stream comes with status 200.
            if told.error is not None:
                raise explain(told.error)
            tell_layer(told, progress)


def tell_layer(told: Told, progress: Progress) -> None:
    """Pass on how far a layer is, where the daemon says it."""
    if told.status in ("Downloading", "Pushing") and told.total:
        # What the daemon counts has the archive's own bytes in it, which are not in the total.
        progress.part(told.layer, min(told.done, told.total), told.total)


def fits(here: SeenImage, platform: str) -> bool:
    """Return whether an image of the daemon is of that platform, in any variant."""
    return same_platform(here.platform, "/".join(platform.split("/")[:2]))


def must_fit(reference: str, here: SeenImage, platform: str, hint: str) -> None:
    """Raise BadPlatform (`ERR_PLATFORM`) for an image of another platform, which some daemons pull all the same."""
    if not fits(here, platform):
        raise BadPlatform(f"{reference} is for {here.platform}, and not for {platform}", hint=hint)


def failure(doing: str, reference: ImageReference, words: str) -> TheoryctlError:
    """Make an error of the daemon's words about a registry."""
    lower = words.lower()
    kind = next((kind for kind, signs in _REFUSALS if any(sign in lower for sign in signs)), RegistryFailed)
    hints = {
        RegistryAuth: f"docker login {reference.registry}",
        RegistryFailed: "look whether the registry answers, and run the command again",
        ImageNotFound: "look at its name and digest",
        BadPlatform: "name the digest for this platform",
        VerificationFailed: "the registry or what lies before it is broken: do not use this image",
    }
    return kind(f"{doing} {reference} failed: {words}", hint=hints[kind])
