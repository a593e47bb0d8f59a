"""The image of a start: chosen, then pulled or built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from theoryctl.docker.daemon import platform_of
from theoryctl.images.choice import BuildPlan, Pinned, choose
from theoryctl.runtimes.start_request import StartRequest


@dataclass(frozen=True, slots=True)
class ReadyImage:
    """An image on this machine: its name, its digest (ID, where it was built here), and the choice that led to it."""

    image_id: str
    reference: str
    digest: str
    choice: Pinned | BuildPlan


def ready_image(api: Any, request: StartRequest) -> ReadyImage:
    """Pull or build the image that a start asks for. Raises what choosing, pulling and building one do."""
    # A run against an instance comes this way as well, and needs none of it.
    from theoryctl.images.build import build
    from theoryctl.images.pull import pull

    choice = choose(request.image, request.image.platform or platform_of(api))
    if isinstance(choice, Pinned):
        image_id, digest = pull(api, choice, request.progress)
        return ReadyImage(image_id, f"{choice.reference.partition('@')[0]}@{digest}", digest, choice)
    image_id, built = build(api, choice, request.progress)
    if not built:
        request.progress.step(f"{choice.tag} is up to date")
    return ReadyImage(image_id, choice.tag, image_id, choice)
