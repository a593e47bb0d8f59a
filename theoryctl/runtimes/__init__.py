"""The places a provider can run in. Which one is picked here, and nowhere else."""

from __future__ import annotations

from theoryctl.runtimes.base import Runtime


def get_runtime(name: str) -> Runtime:
    """The runtime of that name. Raises KeyError."""
    from importlib import import_module

    module, class_name = RUNTIMES[name]
    runtime: Runtime = getattr(import_module(module), class_name)()
    return runtime


RUNTIMES = {"embedded": ("theoryctl.runtimes.embedded", "EmbeddedRuntime")}
