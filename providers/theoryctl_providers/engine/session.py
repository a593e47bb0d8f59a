"""Requests asked in this process, one after another or at the same time, from any thread or event loop.

What they share belongs to the process: provider objects, the event loop of calls that wait, connections in it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING

from theoryctl_providers.engine.drive import adrive, drive
from theoryctl_providers.engine.execute import execute

if TYPE_CHECKING:
    from theoryctl_providers.contract import Event, Request


def ask(request: Request) -> Generator[Event, None, None]:
    """Yield the events of one request, the last one a `Result`. Closing the generator cancels the call."""
    return drive(execute(request))


def aask(request: Request) -> AsyncGenerator[Event, None]:
    """Yield the events of one request to a coroutine, as `ask` does to a thread."""
    return adrive(execute(request))
