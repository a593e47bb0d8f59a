"""Work on several things at the same time, in threads that Ctrl-C need not wait for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def at_once(work: Callable[[T], R], items: Sequence[T], most: int) -> list[R]:
    """Return what `work` returns for each of `items`, in their order; it works on at most so many at a time.

    Raises what it raised for the first of those for which it did. What interrupts the wait leaves those that have begun
    to threads that end with the process, and the others alone: an executor of Python's would wait for its threads.
    """
    futures = [Future[R]() for _ in items]
    waiting = deque(zip(items, futures, strict=True))

    def go_on() -> None:
        while waiting:
            try:
                item, future = waiting.popleft()
            except IndexError:  # another thread was faster
                return
            try:
                future.set_result(work(item))
            except BaseException as error:
                future.set_exception(error)

    for _ in range(min(most, len(items))):
        Thread(target=go_on, daemon=True).start()
    try:
        return [future.result() for future in futures]
    finally:
        waiting.clear()
