"""The event loop of this process's calls: one thread, begun with the first call that waits, ended with the process.

Providers keep connections in the loop that they were opened in. So all calls share one, whatever thread or loop they
are made from: connections are used again, and no call closes those of another.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from theoryctl_providers.lookup import loaded_providers

#: Seconds that providers have to close their connections when the process ends.
CLOSING = 2.0

_T = TypeVar("_T")


def run_through(runner: asyncio.Runner, work: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end, though a task of a provider's may raise SystemExit: that stops the loop.

    The coroutine that awaits such a task gets the exception, and handles it.
    """
    loop = runner.get_loop()
    task = loop.create_task(work)
    while not task.done():
        with suppress(SystemExit):
            loop.run_until_complete(task)
    return task.result()


class BackgroundLoop:
    """An event loop in a daemon thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="theoryctl-calls", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended:
            # A task that raises these stops its loop, and all calls with it. What awaits the task gets them as well.
            with suppress(SystemExit, KeyboardInterrupt):
                self.loop.run_forever()
                return

    def is_here(self) -> bool:
        """Say whether this thread is the loop's, which cannot wait for itself."""
        return threading.get_ident() == self._thread.ident

    def soon(self, callback: Callable[[], object]) -> bool:
        """Call back in the loop, in the order of these calls; False where the loop has ended."""
        if self._ended:
            return False
        self.loop.call_soon_threadsafe(callback)
        return True

    def end(self) -> None:
        """Cancel what still runs, close the providers' connections and stop. What blocks the loop is left behind."""
        closed = asyncio.run_coroutine_threadsafe(_close(), self.loop)
        with suppress(TimeoutError):
            closed.result(CLOSING)
        self._ended = True
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(CLOSING)
        if not self._thread.is_alive():
            self.loop.close()


async def _close() -> None:
    calls = asyncio.all_tasks() - {asyncio.current_task()}
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await asyncio.gather(*(provider.aclose() for provider in loaded_providers()), return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()


_lock = threading.Lock()
_running: list[BackgroundLoop] = []
#: Loops of the process that this one was forked from: their threads are not here, their connections not ours to close.
_inherited: list[BackgroundLoop] = []


def background() -> BackgroundLoop:
    """Return the loop of this process; begin it where there is none yet."""
    with _lock:
        if not _running:
            _running.append(BackgroundLoop())
        return _running[0]


@atexit.register
def _end() -> None:
    while _running:
        _running.pop().end()


def _forked() -> None:
    global _lock
    _lock = threading.Lock()
    _inherited.extend(_running)
    _running.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
