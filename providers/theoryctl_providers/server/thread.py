"""A server in a thread of this process: for tests, which have it in milliseconds."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from theoryctl_providers.blame import blamed
from theoryctl_providers.contract import ProviderError
from theoryctl_providers.contract.wire import ServerConfig
from theoryctl_providers.engine.loop import run_through
from theoryctl_providers.lookup import get_llm_provider
from theoryctl_providers.server.app import make_app
from theoryctl_providers.server.gate import Gate
from theoryctl_providers.server.process import Server, listen, settings


@contextmanager
def serving(config: ServerConfig) -> Iterator[tuple[int, Gate]]:
    """Serve on a free port of 127.0.0.1 inside the context; the port, and the gate with its tenants.

    Raises ProviderError when the provider or the port cannot be had, or the provider cannot be closed.
    """
    provider = get_llm_provider(config.provider.provider)
    with blamed(provider, "prepare"):
        provider.prepare(config.provider.mode)
    listener = listen("127.0.0.1", 0)
    gate = make_app(config, lambda line: None)
    reader, writer = os.pipe()
    server = Server(settings(gate, config.limits), gate, config.limits.drain_seconds, writer)

    failures: list[ProviderError] = []

    def serve() -> None:
        with asyncio.Runner() as runner:
            run_through(runner, server.serve(sockets=[listener]))
            try:
                with blamed(provider, "aclose"):
                    runner.run(provider.aclose())
            except ProviderError as error:
                failures.append(error)

    thread = threading.Thread(target=serve, name="theoryctl", daemon=True)
    thread.start()
    with os.fdopen(reader) as ready:
        port = int(ready.readline())
    try:
        yield port, gate
    finally:
        server.end_soon()
        thread.join()
        listener.close()  # a server that has no connections leaves it open, for its process ends
    for failure in failures:
        raise failure
