"""The new process in which a provider is asked: a document on standard input, another on standard output."""

from __future__ import annotations

import os
import sys
from typing import Any

from theoryctl_providers.conformance.subject import Subject, result_of
from theoryctl_providers.contract import ProviderConfig, dumps, loads
from theoryctl_providers.lookup import get_llm_provider


def main() -> None:
    """Answer the inputs of the document in mock mode, and tell which connections were opened meanwhile."""
    out = os.dup(1)
    os.dup2(2, 1)  # what a provider prints is no part of it
    document = loads(sys.stdin.buffer.read())
    subject = Subject(ProviderConfig(**document["config"]), document["inputs"])
    subject.provider = get_llm_provider(subject.config.provider)
    subject.provider.prepare("mock")
    opened: list[str] = []

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
            opened.append(f"{event} {arguments[-1] if event == 'socket.connect' else arguments[:2]}")

    sys.addaudithook(watch)
    envelopes = [result_of(subject.ask(inputs, "mock")) for inputs in subject.inputs]
    with os.fdopen(out, "wb") as file:
        file.write(dumps({"envelopes": envelopes, "opened": opened}).encode())


if __name__ == "__main__":
    main()
