"""Observers of calls from Python: a program that runs the engine may watch the calls that its own code makes."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from theoryctl_providers.contract.answer import Event
    from theoryctl_providers.contract.calls import Request


class Watch(Protocol):
    """Watches one call. It may take its time: no event loop waits for it."""

    def see(self, event: Event) -> None:
        """Take note of an event of the call, the last one a `Result`."""
        ...

    def close(self) -> None:
        """Take note that the call has ended, also where nobody waited for its result."""
        ...


#: Begins to watch a call; what it raises is raised by the call, before anything is sent.
Observer = Callable[["Request"], Watch]

#: The observer of `run`, `arun`, `stream` and `astream` in this context (contextvars); None for none.
OBSERVER: ContextVar[Observer | None] = ContextVar("theoryctl_observer", default=None)
