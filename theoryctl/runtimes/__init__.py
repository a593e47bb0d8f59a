"""The places a provider can run in. Which one is picked here, and nowhere else; a new one is a module and a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from theoryctl.runtimes.base import StartedRuntime
    from theoryctl.runtimes.embedded import EmbeddedRuntime
    from theoryctl.runtimes.modal import ModalRuntime

EMBEDDED = "embedded"
MODAL = "modal"

#: The runtimes that `start` starts, by name: module and class. The first one is the default.
STARTED = {
    "docker": ("theoryctl.runtimes.docker", "DockerRuntime"),
    "process": ("theoryctl.runtimes.process", "ProcessRuntime"),
}
DEFAULT = next(iter(STARTED))


def embedded_runtime(code: tuple[str, ...]) -> EmbeddedRuntime:
    """The runtime inside this process; `code` is where a provider's package lies that is not installed."""
    from theoryctl.runtimes.embedded import EmbeddedRuntime

    return EmbeddedRuntime(code)


def modal_runtime() -> ModalRuntime:
    """The runtime of what is deployed on Modal."""
    from theoryctl.runtimes.modal import ModalRuntime

    return ModalRuntime()


def started_runtime(name: str) -> StartedRuntime:
    """The runtime of that name. Raises KeyError."""
    from importlib import import_module

    module, class_name = STARTED[name]
    runtime: StartedRuntime = getattr(import_module(module), class_name)()
    return runtime
