"""A session with a process."""

from __future__ import annotations

from collections.abc import Generator

from theoryctl.errors import NotRunning
from theoryctl.instances.instance import Instance
from theoryctl.instances.restart import start_again
from theoryctl.instances.session import InstanceSession
from theoryctl_providers.contract import Event, Request


class ProcessSession(InstanceSession):
    """Requests to a process. Where it is gone, the kernel may know why."""

    def ask(self, request: Request) -> Generator[Event, None, None]:
        try:
            yield from super().ask(request)
        except NotRunning as error:
            raise explained(self._instance, error) from None


def explained(instance: Instance, error: NotRunning) -> NotRunning:
    """The error, with the reason that the kernel gave for the end of the process."""
    from theoryctl.instances.kernel_log import ran_out_of_memory

    if not ran_out_of_memory(instance.pid, instance.pid_started):
        return error
    message = f"{error.message}: the kernel ended it because memory ran out"
    return NotRunning(message, hint=start_again(instance).after("free some memory"))
