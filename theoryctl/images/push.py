"""Sending an image to a registry."""

from __future__ import annotations

from typing import Any

from theoryctl.daemon import explained
from theoryctl.errors import RegistryFailed, TheoryctlError
from theoryctl.images.pull import failure, tell_layer
from theoryctl.oci import ImageReference
from theoryctl.progress import Progress


def push(api: Any, image_id: str, target: ImageReference, progress: Progress) -> str:
    """Push an image and return the digest of its manifest there. Raises RegistryFailed and RegistryAuth."""
    tag = target.tag or "latest"

    def explain(words: str) -> TheoryctlError:
        return failure("pushing", target, words)

    progress.step(f"pushing {target.name}:{tag}")
    digest = None
    with explained(explain):
        api.tag(image_id, target.name, tag)
        for event in api.push(target.name, tag=tag, stream=True, decode=True):
            if "error" in event:
                raise explain(event["error"])
            digest = event.get("aux", {}).get("Digest", digest)
            tell_layer(event, progress)
    if digest is None:
        raise RegistryFailed(f"pushing {target}: the registry told no digest", hint="type it again")
    return str(digest)
