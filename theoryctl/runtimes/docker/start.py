"""The start of a container: image, network, container, and the wait for its server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from theoryctl.docker import containers, creation
from theoryctl.docker.client import Client, connect
from theoryctl.docker.creation import ContainerSpec
from theoryctl.docker.daemon import connected
from theoryctl.errors import StartFailed
from theoryctl.hints import again
from theoryctl.instances import records
from theoryctl.instances.instance import Instance
from theoryctl.runtimes.docker.container import server_config, spec_of
from theoryctl.runtimes.docker.end import died, words_of
from theoryctl.runtimes.docker.image import ReadyImage, ready_image
from theoryctl.runtimes.docker.seen import drop_network, health_of, network_alone, state_of
from theoryctl.runtimes.start_request import StartRequest


@contextmanager
def starting(request: StartRequest, make_room: Callable[[], None]) -> Iterator[Instance]:
    """Start a container, and yield it when it is ready. Nothing is left where that or the block fails, nor on Ctrl-C.

    `make_room` is called when the container is created: what is in its way serves until then, and on where there is
    no image, or the daemon refuses the container.

    Raises StartFailed, DockerFailed (`ERR_DOCKER`), and what choosing, pulling and building an image raise.
    """
    client = connect()
    with connected() as sdk:
        image = ready_image(sdk, request)
        state = records.state_id(make=True)
        assert state is not None
        request.progress.step(f"starting {request.ref} in a container")
        spec = spec_of(request, image, state)
        with _created(sdk, client, spec) as container:
            make_room()
            yield _started(sdk, client, request, image, spec, container)


@contextmanager
def _created(sdk: Any, client: Client, spec: ContainerSpec) -> Iterator[str]:
    """Create a container for a block, and remove it where that fails. Its labels come with it: should this command be
    killed from here on, the next one finds it."""
    container = None
    try:
        with network_alone():
            container = creation.create(sdk, spec)
        yield container
    except BaseException:
        if container is not None:
            containers.remove(client, container)
        drop_network(client)
        raise


def _started(
    sdk: Any, client: Client, request: StartRequest, image: ReadyImage, spec: ContainerSpec, container: str
) -> Instance:
    """Start a container that was created, and return its instance once it answers; then it takes its name."""
    server = server_config(request, image)
    platform = image.choice.platform
    with network_alone():
        creation.start_and_tell(sdk, container, spec.network, server.dump())
    instance = request.instance(
        url="",
        server_port=containers.PORT,
        platform=platform,
        container=container,
        image=image.reference,
        digest=image.digest,
        pin=request.image.image and request.image.image.pin(platform),
        source=image.choice.source,
    )
    instance = _wait(client, instance, request)
    _take_name(client, container, spec)
    return instance


def _take_name(client: Client, container: str, spec: ContainerSpec) -> None:
    """Give a container its name, and one of ours that has it still, which is to go, another."""
    there = containers.inspect(client, spec.name)
    if there is not None and state_of(there) == spec.labels["state"]:
        containers.rename(client, there.id, creation.aside(spec.name))
    containers.rename(client, container, spec.name)


def _wait(client: Client, instance: Instance, request: StartRequest) -> Instance:
    """The instance with its address, once it answers. Raises StartFailed with the last lines of its log."""
    seconds = request.wait_seconds
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        seen = containers.inspect(client, instance.container or "")
        if seen is None or not seen.running:
            raise died(client, instance, seen, request)
        if (
            seen.url is not None
            and (health := health_of(found := replace(instance, url=seen.url), seen))
            and health.ready
        ):
            return found
        time.sleep(0.05)
    raise StartFailed(
        f"{instance.ref}: not ready within {seconds:g} s{words_of(client, instance, request)}",
        hint=again("give it more time with --wait-timeout", wait_timeout=2 * seconds),
    )
