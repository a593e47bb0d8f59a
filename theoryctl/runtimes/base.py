"""What a runtime is."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

from theoryctl.instances import Instance
from theoryctl.refs import ProviderRef
from theoryctl_providers.contract import Event, Request, ServerConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """What is to be started; `wait_seconds` is how long it may take to become ready."""

    ref: ProviderRef
    server: ServerConfig
    manifest_digest: str
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class State:
    """How an instance is: `running` or `dead`, what it uses, and whether it answers."""

    name: str
    healthy: bool
    cpu_percent: float | None = None
    memory_bytes: int | None = None


class Runtime(Protocol):
    """Runs requests in this process."""

    def invoke(self, request: Request) -> Generator[Event]:
        """The events of one request as they come, the last one a `Result`. Closing the generator cancels the call."""
        ...


class StartedRuntime(Protocol):
    """Starts instances and runs requests in them."""

    name: str

    def start(self, request: StartRequest) -> Instance:
        """Start an instance and return when it is ready. Raises StartFailed (`ERR_START`); nothing is left then."""
        ...

    def stop(self, instance: Instance) -> bool:
        """Stop an instance and forget it; False when it was dead already."""
        ...

    def state(self, instance: Instance) -> State:
        """How it is now."""
        ...

    def log_lines(self, instance: Instance, follow: bool) -> Generator[str]:
        """The lines of its log, and with `follow` those to come until it ends."""
        ...

    def invoke(self, request: Request, instance: Instance, restart: str) -> Generator[Event]:
        """The events of one request; `restart` is the command that an error names when the instance is gone."""
        ...
