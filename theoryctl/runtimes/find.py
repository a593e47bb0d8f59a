"""The places a provider can run in. Which one is picked here, and nowhere else; a new one is a module and a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from theoryctl.errors import DigestDrift, NotRunning, UsageError
from theoryctl.hints import again, command
from theoryctl.instances import records
from theoryctl.instances.records import Instance
from theoryctl.instances.restart import stop_and_start
from theoryctl.manifests.model import Manifest
from theoryctl.manifests.pins import other_pin
from theoryctl.refs import ProviderRef

if TYPE_CHECKING:
    from theoryctl.runtimes.base import Session, StartedRuntime

EMBEDDED = "embedded"
MODAL = "modal"

#: The runtimes that `start` starts, by name: module and class. The first one is the default.
STARTED = {
    "docker": ("theoryctl.runtimes.docker", "DockerRuntime"),
    "process": ("theoryctl.runtimes.process", "ProcessRuntime"),
}
DEFAULT = next(iter(STARTED))


def open_embedded(ref: ProviderRef, code: tuple[str, ...]) -> Session:
    """Begin a session inside this process; `code` is where a provider's package lies that is not installed."""
    from theoryctl.runtimes.embedded import EmbeddedSession

    return EmbeddedSession(code, f"embedded: no instance of {ref} is started")


def open_modal(ref: ProviderRef, environment: str, manifest: Manifest) -> Session:
    """Begin a session with what is deployed on Modal. Raises what looking it up does."""
    from theoryctl.runtimes.modal import ModalSession

    return ModalSession(ref, environment, manifest)


def started_runtime(name: str) -> StartedRuntime:
    """The runtime of that name. Raises KeyError."""
    from importlib import import_module

    module, class_name = STARTED[name]
    runtime: StartedRuntime = getattr(import_module(module), class_name)()
    return runtime


def find(ref: ProviderRef, runtime: str | None) -> Instance | None:
    """The instance that `run` is to use; None where the run is embedded.

    Raises NotRunning when a runtime was named and nothing is started there, UsageError when two instances are.
    """
    if runtime == EMBEDDED:
        return None
    if runtime is not None:
        return require(ref, runtime)
    recorded = [found for name in STARTED if (found := records.load(ref, name))]
    if len(recorded) > 1:
        names = " and ".join(instance.runtime for instance in recorded)
        raise UsageError(
            f"{ref} is started as {names}",
            hint=again(f"add --runtime {recorded[0].runtime}", runtime=recorded[0].runtime),
        )
    return recorded[0] if recorded else None


def require(ref: ProviderRef, runtime: str | None) -> Instance:
    """The recorded instance of a ref. Raises NotRunning (`ERR_NOT_RUNNING`) with the command that starts one, and
    UsageError when there are two and no runtime was named."""
    instance = find(ref, None) if runtime is None else records.load(ref, known_runtime(runtime))
    if instance is None or not instance.url:
        where = f" as {runtime}" if runtime else ""
        hint = command("local start", ref=ref, runtime=runtime or DEFAULT)
        raise NotRunning(f"{ref} is not started{where}", hint=hint)
    return instance


def known_runtime(name: str) -> str:
    """The name of a runtime that can be started. Raises UsageError."""
    if name not in STARTED:
        raise UsageError(
            f"--runtime {name!r} cannot be started", hint=f"use --runtime {' or --runtime '.join(STARTED)}"
        )
    return name


def check_pin(instance: Instance, manifest: Manifest) -> None:
    """Raise DigestDrift (`ERR_DIGEST_DRIFT`) where the manifest pins another digest than the one that runs, and did not
    at the start, when --oci was there to say otherwise."""
    if pin := other_pin(manifest.pin(instance.platform), instance.digest, instance.pin):
        message = f"{instance.ref} is pinned to {pin}, but {instance.digest} is running"
        raise DigestDrift(message, hint=stop_and_start(instance, oci=None))
