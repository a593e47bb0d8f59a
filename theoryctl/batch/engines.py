"""Engines on this machine: of a provider that never waits, of the event loop, and of any session in threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import closing, suppress
from queue import Empty, SimpleQueue
from typing import Any

from theoryctl.batch.engine import Asker, Done, Engine, Job
from theoryctl.requests.failure import failure_envelope
from theoryctl_providers.contract import (
    Log,
    Mode,
    ProviderConfig,
    ProviderError,
    Result,
    Stopwatch,
    is_mock,
)

#: Files of a call: its connection, and another one while it is made to a name with several addresses (RFC 8305).
_FILES = 2
#: Files that are open beside those of calls: libraries that are loaded, the lines, the rows, the ledger. At least the
#: second number is kept for what is opened later.
_OTHER_FILES, _FEWEST_OTHERS = 256, 32


class DirectEngine:
    """Asks a provider that never waits, one request after the other, when the results are wanted."""

    def __init__(self, session: Asker) -> None:
        self.where = session.where
        self._session = session
        self._jobs: list[Job] = []

    def start(self, jobs: Sequence[Job]) -> None:
        self._jobs.extend(jobs)

    def finished(self, seconds: float) -> list[Done]:
        jobs, self._jobs = self._jobs, []
        return [asked(self._session, job) for job in jobs]

    def close(self) -> None:
        self._session.close()


class LoopEngine:
    """Asks in the event loop that all calls of this process share: a call is a task, not a thread."""

    def __init__(self, session: Asker) -> None:
        from theoryctl_providers.engine.loop import background

        self.where = session.where
        self._session = session
        self._background = background()
        self._done: SimpleQueue[Done] = SimpleQueue()
        self._tasks: set[Any] = set()

    def start(self, jobs: Sequence[Job]) -> None:
        jobs = tuple(jobs)
        self._background.soon(lambda: self._begin(jobs))

    def finished(self, seconds: float) -> list[Done]:
        return _taken(self._done, seconds)

    def close(self) -> None:
        """Cancel the calls, and return when they have ended."""
        ended = threading.Event()
        if self._background.soon(lambda: self._cancel(ended)):
            ended.wait(5.0)
        self._session.close()

    def _begin(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            task = self._background.loop.create_task(self._ask(job))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _cancel(self, ended: threading.Event) -> None:
        import asyncio

        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        waiting = asyncio.gather(*tasks, return_exceptions=True)
        waiting.add_done_callback(lambda _: ended.set())

    async def _ask(self, job: Job) -> None:
        from contextlib import aclosing

        from theoryctl_providers.engine.execute import execute

        notes: list[str] = []
        async with aclosing(execute(job.request)) as events:
            async for event in events:
                if isinstance(event, Result):
                    self._done.put(_done(job, event, notes))
                elif isinstance(event, Log) and not event.debug:
                    notes.append(event.message)


class ThreadEngine:
    """Asks through a session, each request in one of as many threads as are needed."""

    def __init__(self, session: Asker) -> None:
        self.where = session.where
        self._session = session
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._done: SimpleQueue[Done] = SimpleQueue()
        self._threads = 0
        self._in_flight = 0

    def start(self, jobs: Sequence[Job]) -> None:
        self._in_flight += len(jobs)
        while self._threads < self._in_flight:
            self._threads += 1
            # A daemon: after a second Ctrl-C nobody waits for what it asks.
            threading.Thread(target=self._work, name=f"theoryctl-batch-{self._threads}", daemon=True).start()
        for job in jobs:
            self._jobs.put(job)

    def finished(self, seconds: float) -> list[Done]:
        done = _taken(self._done, seconds)
        self._in_flight -= len(done)
        return done

    def close(self) -> None:
        self._session.close()

    def _work(self) -> None:
        while True:
            self._done.put(asked(self._session, self._jobs.get()))


def allow_open_files(calls: int) -> int:
    """Let this process have the files open that so many calls at the same time need, as far as the system allows it:
    on macOS it may have 256 by default. Return how many calls may be made at the same time then, at least one."""
    from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit

    soft, hard = getrlimit(RLIMIT_NOFILE)
    needed = _FILES * calls + _OTHER_FILES
    if soft != RLIM_INFINITY and soft < needed:
        with suppress(ValueError, OSError):
            setrlimit(RLIMIT_NOFILE, (needed if hard == RLIM_INFINITY else min(needed, hard), hard))
        left = getrlimit(RLIMIT_NOFILE)[0] - len(os.listdir("/dev/fd")) - _FEWEST_OTHERS
        return max(1, min(calls, left // _FILES))
    return calls


def asked(session: Asker, job: Job) -> Done:
    """Ask one request of a session, and return what came of it."""
    notes: list[str] = []
    try:
        with closing(session.ask(job.request)) as events:
            for event in events:
                if isinstance(event, Result):
                    return _done(job, event, notes)
                if isinstance(event, Log) and not event.debug:
                    notes.append(event.message)
        raise ProviderError("ERR_INTERNAL", "the runtime ended without a result")
    except ProviderError as error:
        envelope = failure_envelope(job.request, Stopwatch(), None, error)
        return Done(job, envelope, error.retry_after, tuple(notes), is_answer=False)


def _done(job: Job, result: Result, notes: list[str]) -> Done:
    return Done(job, result.envelope, result.cause.retry_after if result.cause else None, tuple(notes))


def _taken(queue: SimpleQueue[Done], seconds: float) -> list[Done]:
    """All that is in a queue; wait for the first."""
    found: list[Done] = []
    with suppress(Empty):
        found.append(queue.get(timeout=max(0.0, seconds)))
        while True:
            found.append(queue.get_nowait())
    return found


def engine_here(session: Asker, config: ProviderConfig, mode: Mode) -> Engine:
    """Return the engine of the provider in this process, once that is loaded. Raises ProviderError."""
    from theoryctl_providers.blame import blamed
    from theoryctl_providers.engine.execute import prepared
    from theoryctl_providers.lookup import get_llm_provider

    provider = get_llm_provider(config.provider)
    prepared(provider, mode)
    with blamed(provider, "suspends_in_mock"):
        waits = not is_mock(mode) or provider.suspends_in_mock or config.script is not None
    return LoopEngine(session) if waits else DirectEngine(session)
