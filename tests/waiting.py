"""Waiting in tests for what happens within seconds, such as a line of a log that is written after its answer."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(holds: Callable[[], object]) -> None:
    """Wait until it holds; 20 s at most."""
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, "what was waited for did not happen within 20 s"
        time.sleep(0.02)
