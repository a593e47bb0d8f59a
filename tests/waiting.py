"""Waiting in tests for what happens within seconds, such as a line of a log that is written after its answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(holds: Callable[[], T | None]) -> T:
    """Wait until it holds, 20 s at most, and return what it then is."""
    end = time.monotonic() + 20
    while not (found := holds()):
        assert time.monotonic() < end, "what was waited for did not happen within 20 s"
        time.sleep(0.02)
    return found
