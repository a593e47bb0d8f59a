"""Access to the endpoint of an app: its token, which the app hands out, and a server that takes requests."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from theoryctl.errors import ModalRefused, ModalUnavailable
from theoryctl.hints import Hint
from theoryctl.instances.connection import proves_token
from theoryctl.modal import endpoint
from theoryctl.modal.calls import CHECK_SECONDS, LOOK_SECONDS
from theoryctl.modal.deploy import STARTUP
from theoryctl.modal.deployment import Deployment
from theoryctl.modal.sdk import found
from theoryctl.modal.starting import Starts
from theoryctl.progress import Progress

#: Seconds between two looks whether the server takes requests.
PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class Access:
    """The token of an endpoint, and the full reference of the image that really runs."""

    token: str = field(repr=False)
    image: str


def access(modal: Any, deployment: Deployment, look: Hint, progress: Progress) -> Access:
    """Ask an app for the token of its endpoint, as everybody in the workspace may.

    `look` is the command that shows what a container says. Raises ModalRefused for an app that hands out none, and
    ModalUnavailable where it has not answered in the time that a container may take to start.
    """
    import asyncio

    app, environment = deployment.app, deployment.environment
    named = modal.Function.from_name(app, endpoint.ACCESS, environment_name=environment)
    function = found(modal, named.hydrate)
    if function is None:
        hint = deployment.start_again(serve=True)
        raise ModalRefused(f"{app} was deployed by another version of theoryctl", hint=hint)

    async def ask() -> Any:
        start = _Start(modal, function, look, progress)
        call = asyncio.ensure_future(function.remote.aio())
        try:
            while not (await asyncio.wait({call}, timeout=LOOK_SECONDS))[0]:
                await start.look()
            return call.result()
        finally:
            call.cancel()

    return Access(**asyncio.run(ask()))


def wake(url: str) -> None:
    """Have a container of the server started, which takes as long as that of the token."""
    proves_token(url, "", "", endpoint.PORT)


def await_server(modal: Any, deployment: Deployment, token: str, look: Hint, progress: Progress) -> None:
    """Return once the server takes requests with this token: Modal starts no container before somebody asks.

    Until then Modal refuses requests, with status 503 (modal.com/docs/guide/servers, "Zero-to-one scaling"). Raises
    ModalUnavailable where no container takes requests in the time that one may take to start.
    """
    import asyncio

    assert deployment.endpoint is not None and deployment.endpoint.url is not None
    server = modal.Server.from_name(deployment.app, endpoint.SERVER, environment_name=deployment.environment)
    start, looked = _Start(modal, server, look, progress), time.monotonic()
    while not proves_token(deployment.endpoint.url, str(deployment.ref), token, endpoint.PORT):
        if time.monotonic() - looked >= LOOK_SECONDS:
            asyncio.run(start.look())
            looked = time.monotonic()
        time.sleep(PAUSE)


class _Start:
    """A container that somebody waits for: of a function, or of a server, of which Modal counts no inputs."""

    def __init__(self, modal: Any, what: Any, look: Hint, progress: Progress) -> None:
        self._modal, self._look, self._progress = modal, look, progress
        self._begin = time.monotonic()
        self._starts = Starts(what, datetime.now(timezone.utc), look)

    async def look(self) -> None:
        """Say how long it takes. Raises ModalUnavailable after STARTUP, and what `Starts.check_log` raises."""
        import asyncio

        waited = time.monotonic() - self._begin
        if waited > STARTUP:
            raise ModalUnavailable(f"no container of the endpoint has started in {waited:.0f} s", hint=self._look)
        with suppress(self._modal.exception.Error, OSError, TimeoutError):
            await asyncio.wait_for(self._starts.check_log(), CHECK_SECONDS)
        self._progress.step(f"the container is starting ({waited:.0f} s)")
