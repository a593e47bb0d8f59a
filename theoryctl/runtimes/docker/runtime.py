"""The docker runtime: the provider's server in a container that may do nothing else, published on 127.0.0.1.

The daemon is the truth about containers, found by their labels; the record is for `run`, which asks no daemon.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from theoryctl.docker import containers
from theoryctl.docker.client import Client, connect
from theoryctl.docker.containers import Container
from theoryctl.errors import NotRunning, StartFailed
from theoryctl.hints import NO_IMAGE, Hint, again
from theoryctl.images.choice import Pinned, choose
from theoryctl.instances import connection, records
from theoryctl.instances.connection import Health
from theoryctl.instances.instance import Instance
from theoryctl.instances.restart import start_again
from theoryctl.instances.session import InstanceSession
from theoryctl.paths import file_lock, state_dir
from theoryctl.platforms import same_platform
from theoryctl.refs import ProviderRef
from theoryctl.runtimes.base import AtEnd, StartedRuntime, State, running_state, unread
from theoryctl.runtimes.docker.container import from_labels, name_of, network_of, server_config, spec_of
from theoryctl.runtimes.docker.end import died, explained, words_of
from theoryctl.runtimes.docker.image import ReadyImage, ready_image
from theoryctl.runtimes.start_request import StartRequest
from theoryctl_providers.contract import Event, ProviderError, Request


class DockerRuntime(StartedRuntime):
    """The same image as anywhere else."""

    name = "docker"
    has_image = True

    def must_answer(self, ref: ProviderRef, otherwise: Hint | None = None) -> None:
        connect(otherwise or again("start Docker, or use --runtime process", runtime="process", **NO_IMAGE))

    def start(self, request: StartRequest) -> Instance:
        """Start a container and return when it is ready. Nothing is left on failure, nor on Ctrl-C.

        Raises StartFailed, DockerFailed (`ERR_DOCKER`), and what choosing, pulling and building an image raise.
        """
        from theoryctl.docker.daemon import connected

        client = connect()
        with connected() as sdk:
            image = ready_image(sdk, request)
            state = records.state_id(make=True)
            assert state is not None
            for leftover in containers.labelled(client, state=state, ref=str(request.ref)):
                if name_of(leftover) == request.key.name:
                    containers.remove(client, leftover.id)
            request.progress.step(f"starting {request.ref} in a container")
            return self._start(sdk, client, request, image, state)

    def _start(self, sdk: Any, client: Client, request: StartRequest, image: ReadyImage, state: str) -> Instance:
        from theoryctl.docker import creation

        container = None
        platform = image.choice.platform
        try:
            server = server_config(request, image)
            with _network_alone():
                # Its labels come with it: should this command be killed from here on, the next one finds it.
                container = creation.create(sdk, spec_of(request, image, state))
                creation.start_and_tell(sdk, container, server.dump())
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
            with _network_alone():
                containers.drop_network(client, network_of(state))
            raise

    def differs(self, instance: Instance, request: StartRequest) -> str | None:
        platform = request.image.platform or instance.platform
        if not same_platform(platform, instance.platform):
            return f"it runs for {instance.platform}, and {platform} is wanted"
        wanted = choose(request.image, instance.platform)
        if wanted.source == instance.source:
            return None
        if isinstance(wanted, Pinned):
            return f"it runs {instance.digest}, and {wanted.digest} is wanted"
        return f"it runs {instance.image}, and what that is built from has changed"

    def stop(self, instance: Instance, at_end: AtEnd = unread) -> bool:
        """Raises DockerFailed where the daemon does not answer; the record stays then."""
        client = connect()
        was_running = containers.stop(client, _id(instance))
        at_end(self.log_lines(instance, follow=False))
        # A container that has stopped is on no network any more, and either takes Docker a fifth of a second.
        with _network_alone(), ThreadPoolExecutor(1) as beside:
            dropped = beside.submit(containers.drop_network, client, network_of(records.state_id() or ""))
            containers.remove(client, _id(instance))
            dropped.result()
        records.forget(instance)
        return was_running

    def state(self, instance: Instance) -> State:
        try:
            client = connect()
            seen = containers.inspect(client, _id(instance))
            if not containers.is_running(seen):
                created = seen is not None and seen.status == "created"
                return State("created" if created else "dead", healthy=False)
            used = containers.usage(client, _id(instance))
        except ProviderError:
            health = _health(instance, None)  # there is no daemon to ask, or Docker's own settings make no sense
            return State("unknown", healthy=health is not None and health.ready)
        cpu, memory = used if used else (None, None)
        return running_state(_health(instance, seen), cpu_percent=cpu, memory_bytes=memory)

    def listens(self, instance: Instance) -> bool:
        try:
            return _is_published(containers.inspect(connect(), _id(instance)), instance)
        except ProviderError:
            return False

    def unrecorded(self, recorded: list[Instance]) -> list[Instance]:
        """Containers of this state folder without a record; none where the daemon does not answer."""
        state = records.state_id()
        if state is None:
            return []
        known = {instance.container for instance in recorded}
        try:
            found = containers.labelled(connect(), state=state)
        except ProviderError:
            return []
        lost = (from_labels(seen) for seen in found if seen.id not in known)
        return [instance for instance in lost if instance is not None]

    def log_lines(self, instance: Instance, follow: bool) -> Generator[str]:
        client = connect()
        if containers.inspect(client, _id(instance)) is None:
            message = f"the container of {instance.ref} is gone, and its log with it"
            raise NotRunning(message, hint=start_again(instance))
        rest = b""
        for piece in client.log(_id(instance), follow=follow):
            *lines, rest = (rest + piece).split(b"\n")
            yield from (line.decode(errors="replace") for line in lines)
        if rest:
            yield rest.decode(errors="replace")

    def open(self, instance: Instance, restart: str) -> InstanceSession:
        return _Session(instance, restart, self.listens)


def _id(instance: Instance) -> str:
    return instance.container or ""


def _health(instance: Instance, seen: Container | None) -> Health | None:
    """The health of an instance; `seen` is what the daemon knows of its container, None where it cannot be asked."""
    if not instance.url or not instance.token:
        return None
    return connection.health(instance, lambda _: _is_published(seen, instance))


def _is_published(seen: Container | None, instance: Instance) -> bool:
    return seen is not None and seen.running and seen.url == instance.url


class _Session(InstanceSession):
    """Requests to a container. Where it is gone, the daemon knows why."""

    def ask(self, request: Request) -> Generator[Event, None, None]:
        try:
            yield from super().ask(request)
        except NotRunning as error:
            raise explained(self._instance, error) from None


def _wait(client: Client, instance: Instance, request: StartRequest) -> Instance:
    """The instance with its address, once it answers. Raises StartFailed with the last lines of its log."""
    seconds = request.wait_seconds
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        seen = containers.inspect(client, _id(instance))
        if seen is None or not seen.running:
            raise died(client, instance, seen, request)
        if (
            seen.url is not None
            and (health := _health(found := replace(instance, url=seen.url), seen))
            and health.ready
        ):
            return found
        time.sleep(0.05)
    raise StartFailed(
        f"{instance.ref}: not ready within {seconds:g} s{words_of(client, instance, request)}",
        hint=again("give it more time with --wait-timeout", wait_timeout=2 * seconds),
    )


def _network_alone() -> Any:
    """Nobody drops the network between the creation of a container and its start."""
    return file_lock(state_dir() / "network.lock")
