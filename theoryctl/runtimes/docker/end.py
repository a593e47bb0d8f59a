"""The end of a container: what the daemon, the kernel and its own log tell of the reason."""

from __future__ import annotations

import time
from contextlib import suppress

from theoryctl.docker import containers
from theoryctl.docker.client import Client, connect
from theoryctl.docker.containers import Container
from theoryctl.errors import DockerFailed, NotRunning, StartFailed
from theoryctl.hints import again
from theoryctl.instances.instance import Instance
from theoryctl.instances.last_words import last_words, own_refusal
from theoryctl.instances.restart import start_again
from theoryctl.runtimes.start_request import StartRequest
from theoryctl_providers.contract import ProviderError

#: Seconds in which a container that has broken off an answer may prove to have ended.
_SECONDS_TO_END = 1.0


def died(client: Client, instance: Instance, seen: Container | None, request: StartRequest) -> ProviderError:
    """The failure of a container that exited, in its server's own words where that gave its reason."""
    refusal = own_refusal(containers.last_lines(client, instance.container or ""), request.server)
    if refusal is not None:
        # What the server would have one type counts inside the image.
        message = f"{request.ref}: in its image, {refusal['message']}"
        return ProviderError(refusal["code"], message, hint="fix the image, or pass another with --oci")
    words = words_of(client, instance, request)
    status = seen.exit_status if seen else "?"
    why, hint = "", "fix the problem that its log describes, and start it again"
    if "exec format error" in words.lower():  # the words of Docker's init, or of runc, for a program of another machine
        why = f", because without QEMU (binfmt_misc) this machine runs no programs of {instance.platform}"
        hint = again("leave out --platform", platform=None)
    if seen and seen.died_of_memory:
        why = f", because it took more than its {request.resources.memory} MiB of memory"
        hint = "raise resources.memory in the manifest, and start it again"
    return StartFailed(
        f"{request.ref}: the container exited with status {status} while starting{why}{words}", hint=hint
    )


def words_of(client: Client, instance: Instance, request: StartRequest) -> str:
    """Return the end of the container's log, as the end of a sentence."""
    return last_words(containers.last_lines(client, instance.container or ""), request.server)


def explained(instance: Instance, error: NotRunning) -> NotRunning:
    """The error, with the reason that the daemon knows and the kernel gave."""
    with suppress(DockerFailed):
        if (seen := _ended(connect(), instance)) and seen.died_of_memory:
            message = f"{error.message}: it was ended because it took more memory than it may have"
            hint = start_again(instance).after("raise resources.memory in the manifest")
            return NotRunning(message, hint=hint)
    return error


def _ended(client: Client, instance: Instance) -> Container | None:
    """Inspect a container that broke off: the daemon may hear of its end a moment after its clients."""
    end = time.monotonic() + _SECONDS_TO_END
    while (
        containers.is_running(seen := containers.inspect(client, instance.container or "")) and time.monotonic() < end
    ):
        time.sleep(0.05)
    return seen
