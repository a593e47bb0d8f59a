"""An asynchronous stream of events for whoever reads it, with an event loop only where one is needed.

Up to `Started` a stream never waits, and a mock's never does: those are stepped by hand, for asyncio alone costs half a
mock run. From there on, a stream that waits runs in the loop that all calls of the process share.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterator

from theoryctl_providers.contract import Event, ProviderError, Request, Started, stated_mode
from theoryctl_providers.engine.execute import execute
from theoryctl_providers.engine.parts import is_prepared, loads_of
from theoryctl_providers.lookup import get_llm_provider


def drive(events: AsyncGenerator[Event]) -> Generator[Event, None, None]:
    """Yield the events of `engine.execute`. Closed early, it cancels the call and returns when that has ended.

    Imports and validation run in this thread: inside a loop, Ctrl-C would wait for the import to end.
    """
    for event in _by_hand(events):
        yield event
        if isinstance(event, Started) and event.suspends:
            from theoryctl_providers.engine.produced import produced

            yield from produced(events)
            return


async def adrive(events: AsyncGenerator[Event]) -> AsyncGenerator[Event, None]:
    """Yield the events of `engine.execute` in the running loop, which never waits for an import of a provider's."""
    from contextlib import aclosing

    steps, event = _by_hand(events), None
    async for event in _begun(steps):
        yield event
    if isinstance(event, Started) and event.suspends:
        from theoryctl_providers.engine.produced import aproduced

        async with aclosing(aproduced(events)) as rest:
            async for event in rest:
                yield event
    else:
        for event in steps:
            yield event


def served(request: Request) -> AsyncGenerator[Event]:
    """Give the events of a request in the running loop.

    A server's loop has others to answer, so what its provider has not loaded yet is loaded in a thread.
    """
    events = execute(request)
    return events if _needs_no_thread(request) else _loaded_elsewhere(events)


def _needs_no_thread(request: Request) -> bool:
    """Return whether nothing is left to load for a request, or it will be refused before."""
    try:
        mode = stated_mode(request.inputs, request.mode, request.config.mode)
        provider = get_llm_provider(request.config.provider)
        return not loads_of(provider) or is_prepared(provider, mode)
    except (ProviderError, AttributeError):
        return True


async def _loaded_elsewhere(events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
    from contextlib import aclosing

    async with aclosing(events):
        async for event in _begun(_by_hand(events)):
            yield event
        async for event in events:
            yield event


async def _begun(steps: Iterator[Event]) -> AsyncGenerator[Event]:
    """The events up to `Started`, each of which another thread brings."""
    import asyncio

    event = None
    while not isinstance(event, Started) and (event := await asyncio.to_thread(next, steps, None)):
        yield event


def _by_hand(events: AsyncGenerator[Event]) -> Iterator[Event]:
    while True:
        step = events.__anext__().__await__()
        try:
            next(step)
        except StopIteration as done:
            yield done.value
        except StopAsyncIteration:
            return
        else:
            raise RuntimeError("a provider that said it never suspends did")
