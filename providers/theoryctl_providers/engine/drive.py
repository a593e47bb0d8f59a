"""An asynchronous stream of events as a plain iterator, with an event loop only where one is needed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

from theoryctl_providers.contract import Event, ProviderError, Started

if TYPE_CHECKING:
    import asyncio


async def _nothing() -> None:
    """What to clean up when there is nothing to clean up."""


def drive(events: AsyncGenerator[Event], cleanup: Callable[[], Awaitable[None]] = _nothing) -> Iterator[Event]:
    """Yield the events of `engine.execute`.

    Imports and validation run before any event loop exists: inside one, Ctrl-C would wait for the import to end. A mock
    never suspends, so it is stepped by hand; asyncio alone costs half a mock run. `cleanup` runs in the loop, last.
    """
    for event in _by_hand(events):
        yield event
        if isinstance(event, Started) and event.suspends:
            yield from _in_a_loop(events, cleanup)
            return


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


def _in_a_loop(events: AsyncGenerator[Event], cleanup: Callable[[], Awaitable[None]]) -> Iterator[Event]:
    import asyncio

    _refuse_inside_a_loop()
    queue: asyncio.Queue[Event | BaseException | None] = asyncio.Queue()
    with asyncio.Runner() as runner:
        # One task runs the whole stream: time-outs and HTTP clients do not survive a change of task.
        producer = runner.get_loop().create_task(_produce(events, queue))
        try:
            while (event := runner.run(queue.get())) is not None:
                if isinstance(event, BaseException):
                    raise event
                yield event
        finally:
            runner.run(_finish(producer, cleanup))


def _refuse_inside_a_loop() -> None:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    message = "an event loop runs here already, and a second one cannot run inside it"
    raise ProviderError("ERR_USAGE", message, hint="use: async for event in execute(request)")


async def _produce(events: AsyncGenerator[Event], queue: asyncio.Queue[Event | BaseException | None]) -> None:
    try:
        async for event in events:
            queue.put_nowait(event)
        queue.put_nowait(None)
    except Exception as error:  # handed to whoever waits on the queue
        queue.put_nowait(error)


async def _finish(producer: asyncio.Task[None], cleanup: Callable[[], Awaitable[None]]) -> None:
    import asyncio

    producer.cancel()
    await asyncio.gather(producer, return_exceptions=True)
    await cleanup()
