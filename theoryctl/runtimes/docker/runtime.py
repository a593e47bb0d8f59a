"""The docker runtime: the provider's server in a container that may do nothing else, published on 127.0.0.1.

The daemon is the truth about containers, found by their labels; the record is for `run`, which asks no daemon.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from theoryctl.docker import containers
from theoryctl.docker.client import connect
from theoryctl.errors import NotRunning
from theoryctl.hints import NO_IMAGE, Hint, again
from theoryctl.instances import records
from theoryctl.instances.instance import Instance
from theoryctl.instances.lines import Lines
from theoryctl.instances.restart import start_again
from theoryctl.platforms import same_platform
from theoryctl.refs import ProviderRef
from theoryctl.runtimes.base import AtEnd, StartedRuntime, State, running_state, unread
from theoryctl.runtimes.docker.seen import drop_network, from_labels, health_of, is_published
from theoryctl_providers.contract import ProviderError

if TYPE_CHECKING:
    from theoryctl.instances.session import InstanceSession
    from theoryctl.runtimes.start_request import StartRequest


class DockerRuntime(StartedRuntime):
    """Docker: a container of the image that runs anywhere else too."""

    name = "docker"
    has_image = True

    def must_answer(self, ref: ProviderRef, otherwise: Hint | None = None) -> None:
        here = "start Docker; without --require-pin, --runtime process needs none"
        connect(otherwise or again(here, runtime="process", **NO_IMAGE))

    def starting(self, request: StartRequest, make_room: Callable[[], None]) -> AbstractContextManager[Instance]:
        """Start a container for a block. Nothing is left on failure, nor on Ctrl-C.

        Raises StartFailed, DockerFailed (`ERR_DOCKER`), and what choosing, pulling and building an image raise.
        """
        from theoryctl.runtimes.docker.start import starting

        return starting(request, make_room)

    def differs(self, instance: Instance, request: StartRequest) -> str | None:
        platform = request.image.platform or instance.platform
        if not same_platform(platform, instance.platform):
            return f"it runs for {instance.platform}, and {platform} is wanted"
        from theoryctl.images.choice import Pinned, choose

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
        drop_network(client)  # a container that has stopped is on it no more
        at_end(self.log_lines(instance, follow=False))
        containers.remove(client, _id(instance))
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
            health = health_of(instance, None)  # there is no daemon to ask, or Docker's own settings make no sense
            return State("unknown", healthy=health is not None and health.ready)
        cpu, memory = used if used else (None, None)
        return running_state(health_of(instance, seen), cpu_percent=cpu, memory_bytes=memory)

    def listens(self, instance: Instance) -> bool:
        try:
            return is_published(containers.inspect(connect(), _id(instance)), instance)
        except ProviderError:
            return False

    def holds(self, instance: Instance, port: int) -> bool:
        try:
            seen = containers.inspect(connect(), _id(instance))
        except ProviderError:
            return False
        return seen is not None and seen.running and seen.url == f"http://127.0.0.1:{port}"

    def there(self) -> list[Instance]:
        """Containers of this state folder; none where the daemon does not answer."""
        state = records.state_id()
        if state is None:
            return []
        try:
            found = containers.labelled(connect(), state=state)
        except ProviderError:
            return []
        return [instance for instance in map(from_labels, found) if instance is not None]

    def log_lines(self, instance: Instance, follow: bool, *, unfinished: bool = True) -> Generator[str]:
        client = connect()
        if containers.inspect(client, _id(instance)) is None:
            message = f"the container of {instance.ref} is gone, and its log with it"
            raise NotRunning(message, hint=start_again(instance))
        lines = Lines()
        for piece in client.log(_id(instance), follow=follow):
            yield from lines.of(piece)
        if unfinished:
            yield from lines.end()

    def open(self, instance: Instance, restart: str) -> InstanceSession:
        from theoryctl.runtimes.docker.session import DockerSession

        return DockerSession(instance, restart, self.listens)


def _id(instance: Instance) -> str:
    return instance.container or ""
