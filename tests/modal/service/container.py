"""One container: a process of modal's entrypoint, and what the service knows of it."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

from modal_proto import api_pb2

from tests.modal.service.state import Function, Input


@dataclass(eq=False)
class Container:
    """One process of `python -m modal._container_entrypoint`, with a server of its own on a Unix socket."""

    id: str
    function: Function
    definition: api_pb2.Function
    folder: Path
    at: float = field(default_factory=time.time)
    ended_at: float = 0.0
    process: asyncio.subprocess.Process | None = None
    inputs: list[Input] = field(default_factory=list)
    volumes: dict[str, Path] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    ready: bool = False
    retiring: bool = False
    preempted: bool = False
    reason: api_pb2.GenericResult | None = None
    timers: list[asyncio.TimerHandle] = field(default_factory=list)
    #: Of a server: its port on this machine, the requests that it has, and how it goes (see servers.py).
    port: int = 0
    requests: int = 0
    last: float = field(default_factory=time.monotonic)
    is_listening: bool = False
    misses: int = 0
    retired_at: float = 0
    is_told: bool = False

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def crashed(self) -> bool:
        """Tell whether it ended although nobody wanted it to."""
        return self.reason is None and not self.retiring

    @property
    def free(self) -> int:
        """Count the inputs, or requests, that it can take beside its own."""
        if self.definition.is_server and not self.retiring:
            target = self.definition.autoscaler_settings.target_concurrency_float
            return max(0, int(target) - self.requests) if target else 1
        return 0 if self.retiring or self.reason else max(1, self.definition.max_concurrent_inputs) - len(self.inputs)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
