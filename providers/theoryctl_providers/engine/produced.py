"""Events that the process's own loop produces, read from another thread or another loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from queue import SimpleQueue

from theoryctl_providers.contract import Event, ProviderError
from theoryctl_providers.engine.loop import BackgroundLoop, background


class _Ended:
    """The last item of every call, cancelled or not; `error` is what went wrong in the engine itself."""

    error: BaseException | None = None


_Item = Event | _Ended


def produced(events: AsyncGenerator[Event]) -> Generator[Event, None, None]:
    """Yield events in this thread. Closed early, it cancels the call and returns when that has ended.

    Raises ProviderError `ERR_USAGE` in the thread of the loop itself.
    """
    loop = background()
    if loop.is_here():
        message = "a provider's own code runs in the event loop of all calls, which cannot wait for itself"
        raise ProviderError("ERR_USAGE", message, hint="await arun there")
    queue: SimpleQueue[_Item] = SimpleQueue()
    call, item = _Call(loop, events, queue.put), None
    try:
        while not isinstance(item := queue.get(), _Ended):
            yield item
        _raise(item)
    finally:
        # A generator that nobody closed is collected in any thread, that of the loop too.
        if not isinstance(item, _Ended) and call.cancel() and not loop.is_here():
            while not isinstance(queue.get(), _Ended):
                pass


async def aproduced(events: AsyncGenerator[Event]) -> AsyncGenerator[Event, None]:
    """Yield events in the running loop. Closed early, it cancels the call and returns when that has ended."""
    here = asyncio.get_running_loop()
    queue: asyncio.Queue[_Item] = asyncio.Queue()
    call = _Call(background(), events, lambda item: here.call_soon_threadsafe(queue.put_nowait, item))
    item = None
    try:
        while not isinstance(item := await queue.get(), _Ended):
            yield item
        _raise(item)
    finally:
        if not isinstance(item, _Ended) and call.cancel():
            while not isinstance(await queue.get(), _Ended):
                pass


class _Call:
    """A stream that the loop reads to its end. One task reads all of it: time-outs do not survive a change of task."""

    def __init__(
        self, background: BackgroundLoop, events: AsyncGenerator[Event], put: Callable[[_Item], object]
    ) -> None:
        self._background, self._events, self._put = background, events, put
        self._end = _Ended()
        background.soon(self._begin)

    def cancel(self) -> bool:
        """End the call soon; False where the loop has ended."""
        return self._background.soon(lambda: self._task.cancel())

    def _begin(self) -> None:
        self._task = self._background.loop.create_task(self._read())
        self._task.add_done_callback(lambda _: self._put(self._end))

    async def _read(self) -> None:
        try:
            async with aclosing(self._events) as events:
                async for event in events:
                    self._put(event)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # SystemExit too: it is the caller's process that ends, not the loop
            self._end.error = error


def _raise(end: _Ended) -> None:
    if end.error is not None:
        raise end.error
