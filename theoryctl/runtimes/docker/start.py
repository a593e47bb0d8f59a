"""The start of a container: image, network, container, and the wait for its server."""

from __future__ import annotations

import time
from collections.abc import Callable
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
from theoryctl.runtimes.docker.seen import drop_network, health_of, name_of, network_alone
from theoryctl.runtimes.start_request import StartRequest


def start(request: StartRequest, make_room: Callable[[], None]) -> Instance:
    """Start a container and return when it is ready. Nothing is left on failure, nor on Ctrl-C.

    `make_room` is called when the container is created: what is in its place serves until then, and on where there is
    no image, or the daemon refuses the container.

    Raises StartFailed, DockerFailed (`ERR_DOCKER`), and what choosing, pulling and building an image raise.
    """
    client = connect()
    with connected() as sdk:
        image = ready_image(sdk, request)
        state = records.state_id(make=True)
        assert state is not None
        request.progress.step(f"starting {request.ref} in a container")
        return _start(sdk, client, request, image, spec_of(request, image, state), make_room)


def _start(
    sdk: Any,
    client: Client,
    request: StartRequest,
    image: ReadyImage,
    spec: ContainerSpec,
    make_room: Callable[[], None],
) -> Instance:
    container = None
    platform = image.choice.platform
    try:
        server = server_config(request, image)
        with network_alone():
            # Its labels come with it: should this command be killed from here on, the next one finds it.
            container = creation.create(sdk, spec)
        make_room()
        _remove_leftovers(client, request, spec, container)
        with network_alone():
            creation.start_and_tell(sdk, container, spec, server.dump())
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
        records.save(instance)
        return instance
    except BaseException:
        if container is not None:
            containers.remove(client, container)
        drop_network(client)
        raise


def _remove_leftovers(client: Client, request: StartRequest, spec: ContainerSpec, container: str) -> None:
    """Remove what is left of earlier starts of the instance; `container` is that of this one."""
    for leftover in containers.labelled(client, state=spec.labels["state"], ref=str(request.ref)):
        if name_of(leftover) == request.key.name and leftover.id != container:
            containers.remove(client, leftover.id)


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
