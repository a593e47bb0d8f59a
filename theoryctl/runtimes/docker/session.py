"""A session with a container."""

from __future__ import annotations

from collections.abc import Generator

from theoryctl.errors import NotRunning
from theoryctl.instances.session import InstanceSession
from theoryctl_providers.contract import Event, Request


class DockerSession(InstanceSession):
    """Requests to a container. Where it is gone, the daemon knows why."""

    def ask(self, request: Request) -> Generator[Event, None, None]:
        try:
            yield from super().ask(request)
        except NotRunning as error:
            from theoryctl.runtimes.docker.end import explained

            raise explained(self._instance, error) from None
