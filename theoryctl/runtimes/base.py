"""What a runtime is."""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

from theoryctl_providers.contract import Event, Request


class Runtime(Protocol):
    """Runs requests somewhere."""

    def invoke(self, request: Request) -> Generator[Event]:
        """The events of one request as they come, the last one a `Result`. Closing the iterator cancels the call."""
        ...
