"""Retries of a registry: its own Retry-After, growing waits, and one deadline for all attempts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from theoryctl.errors import RegistryFailed

Answer = TypeVar("Answer")

_ATTEMPTS, _LONGEST_WAIT = 3, 10.0
#: Seconds for one question with all its attempts: a registry may also send one byte at a time.
PATIENCE = 30.0


class Again(Exception):
    """An answer that may be another one later; `after` is how many seconds the registry wants to be left alone."""

    def __init__(self, failure: RegistryFailed, after: float | None) -> None:
        super().__init__(failure.message)
        self.failure, self.after = failure, after


def patiently(ask: Callable[[], Answer]) -> Answer:
    """Call `ask` until it returns, a few more times where it raises Again and does not have to wait for long.

    Raises the failure of the last one, TimeoutError for what takes longer than `PATIENCE`, and whatever else it raises.
    """
    from tenacity import Retrying, retry_if_exception, stop_after_attempt

    stop = stop_after_attempt(_ATTEMPTS)
    retrying = Retrying(stop=stop, retry=retry_if_exception(_is_soon), wait=_pause, reraise=True)
    try:
        return _within(PATIENCE, lambda: retrying(ask))
    except Again as last:
        raise last.failure from None


def retry_after(value: str) -> float | None:
    """Seconds, which a registry may also write as a date (RFC 9110, section 10.2.3)."""
    from email.utils import parsedate_to_datetime

    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):  # also of a date that no clock shows
        return None


def _is_soon(error: BaseException) -> bool:
    return isinstance(error, Again) and (error.after or 0) <= _LONGEST_WAIT


def _pause(state: Any) -> float:
    """Seconds until the next attempt: what the registry asks for, else twice as long each time."""
    error = state.outcome.exception()
    after = getattr(error, "after", None)
    return float(min(after if after is not None else 0.5 * 2 ** (state.attempt_number - 1), _LONGEST_WAIT))


def _within(seconds: float, ask: Callable[[], Answer]) -> Answer:
    """Return what `ask` returns. Raises what it raises, and TimeoutError where that takes longer.

    What cannot be stopped, as the look-up of a name, is left alone then, and ends with this process.
    """
    from concurrent.futures import Future
    from threading import Thread

    outcome: Future[Answer] = Future()

    def work() -> None:
        try:
            outcome.set_result(ask())
        except BaseException as error:
            outcome.set_exception(error)

    Thread(target=work, daemon=True).start()
    try:
        return outcome.result(seconds)
    except TimeoutError:
        raise TimeoutError(f"it did not answer within {seconds:g} seconds") from None
