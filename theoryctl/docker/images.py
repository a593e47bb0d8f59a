"""Images that the daemon has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from theoryctl.docker.client import text
from theoryctl.docker.daemon import found


@dataclass(frozen=True, slots=True)
class SeenImage:
    """An image as the daemon describes it: its `platform` without a variant, the `digests` that it was pulled by, each
    after its name and an `@`, its `size` in bytes and the number of its `layers`.
    """

    id: str
    platform: str
    labels: dict[str, str]
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    size: int
    layers: int


def inspect(api: Any, name: str) -> SeenImage | None:
    """Return what the daemon knows of an image; None where it has none of that name, ID or digest.

    Raises DockerFailed (`ERR_DOCKER`) where it describes it oddly.
    """
    seen = found(api.inspect_image, name)
    return None if seen is None else api.shaped(_described, seen, f"/images/{name}/json")


def must_inspect(api: Any, name: str) -> SeenImage:
    """Return what the daemon knows of an image that is there. Raises DockerFailed (`ERR_DOCKER`)."""
    seen: SeenImage = api.shaped(_described, api.inspect_image(name), f"/images/{name}/json")
    return seen


def _described(seen: Any) -> SeenImage:
    labels = (seen.get("Config") or {}).get("Labels") or {}
    return SeenImage(
        id=text(seen["Id"]),
        platform=f"{text(seen['Os'])}/{text(seen['Architecture'])}",
        labels={name: text(value) for name, value in labels.items()},
        tags=tuple(map(text, seen.get("RepoTags") or ())),
        digests=tuple(map(text, seen.get("RepoDigests") or ())),
        size=int(seen.get("Size") or 0),
        # One of scratch has none.
        layers=len((seen.get("RootFS") or {}).get("Layers") or ()),
    )
