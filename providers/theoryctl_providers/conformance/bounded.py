"""Run a provider's code for a limited time, whatever it does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

_T = TypeVar("_T")


def bounded(work: Callable[[], _T], seconds: float) -> _T:
    """Return what a function returns, and raise what it raises. Raises TimeoutError after so many seconds.

    The function runs in a thread of its own. One that goes on after its time is left behind: nothing ends code that
    catches every exception.
    """
    done: list[Callable[[], _T]] = []
    thread = threading.Thread(target=copy_context().run, args=(_run, work, done), name="conformance", daemon=True)
    thread.start()
    thread.join(seconds)
    if not done:
        _interrupt(thread)
        raise TimeoutError
    return done[0]()


def _run(work: Callable[[], _T], done: list[Callable[[], _T]]) -> None:
    try:
        value = work()
    except BaseException as error:
        failure = error

        def fail() -> _T:
            raise failure

        done.append(fail)
    else:
        done.append(lambda: value)


def _interrupt(thread: threading.Thread) -> None:
    """Raise SystemExit in a thread, where this Python can: a loop that never waits would slow all that follows."""
    import ctypes

    if thread.ident is not None and hasattr(ctypes, "pythonapi"):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
