"""Sending an image to a registry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from theoryctl.docker.daemon import explained
from theoryctl.docker.images import inspect
from theoryctl.errors import DockerFailed, RegistryFailed, TheoryctlError
from theoryctl.images.pull import failure, tell_layer
from theoryctl.progress import Progress
from theoryctl.registry.reference import ImageReference


def push(api: Any, image_id: str, target: ImageReference, progress: Progress) -> str:
    """Push an image and return the digest of its manifest there; the daemon keeps no name of it that it had not before.

    Raises RegistryFailed and RegistryAuth.
    """
    tag = target.tag or "latest"

    def explain(words: str) -> TheoryctlError:
        return failure("pushing", target, words)

    progress.step(f"pushing {target.name}:{tag}")
    digest = None
    with explained(explain), _called(api, image_id, target.name, tag):
        for told in api.push(target.name, tag=tag, stream=True, decode=True):
            if told.error is not None:
                raise explain(told.error)
            digest = told.digest or digest
            tell_layer(told, progress)
    if digest is None:
        raise RegistryFailed(
            f"pushing {target}: expected a digest from the registry, got none", hint="run the command again"
        )
    return str(digest)


@contextmanager
def _called(api: Any, image_id: str, name: str, tag: str) -> Iterator[None]:
    """The daemon pushes by name only."""
    there = inspect(api, f"{name}:{tag}") is not None
    api.tag(image_id, name, tag)
    try:
        yield
    finally:
        if not there:
            with suppress(DockerFailed), explained(DockerFailed):
                api.remove_image(f"{name}:{tag}", noprune=True)
