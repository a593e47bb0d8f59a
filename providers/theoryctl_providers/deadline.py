"""The time limit of a call that waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from theoryctl_providers.contract import Event, ProviderError, Remedy


def deadline_in(seconds: float | None) -> float | None:
    """The end of `seconds` from now by the running event loop's clock; None for no limit."""
    return None if seconds is None else asyncio.get_running_loop().time() + seconds


async def until(deadline: float | None, events: AsyncGenerator[Event], seconds: float | None) -> AsyncGenerator[Event]:
    """The events that come before the deadline, which closes them. Raises ProviderError `ERR_TIMEOUT` then."""
    async with aclosing(events):
        while True:
            try:
                # Only the wait for the next event is under the time-out: cancelled in the middle of a yield, the
                # cancellation would hit whoever reads the events.
                async with asyncio.timeout_at(deadline):
                    event = await anext(events, None)
            except TimeoutError:
                raise _timed_out(seconds) from None
            if event is None:
                return
            yield event


def _timed_out(seconds: float | None) -> ProviderError:
    return ProviderError("ERR_TIMEOUT", f"no complete answer within {seconds:g} s", hint=Remedy.MORE_TIME)
