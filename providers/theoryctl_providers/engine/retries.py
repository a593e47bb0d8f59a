"""Retries of a real call, within its time limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import tenacity

from theoryctl_providers.contract import Event, Log, ProviderError, ResolvedRequest
from theoryctl_providers.deadline import deadline_in, until
from theoryctl_providers.engine.guard import guarded
from theoryctl_providers.protocol import LLMProvider

#: How often a call is tried in all, and the seconds waited between (doubling, with jitter) without a Retry-After.
ATTEMPTS = 3
FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0

#: A failure that may pass, but that is billed: an answer came, and another one would be paid for as well.
_PAID = "ERR_BAD_RESPONSE"


async def attempts_within(provider: LLMProvider, request: ResolvedRequest) -> AsyncGenerator[Event]:
    """The provider's events; passing failures before the first one are retried, within the request's time-out.

    A request without `retries` is tried once, and no call is made again whose answer had begun.

    Raises ProviderError: `ERR_TIMEOUT`, or what the last attempt raised.
    """
    seconds = request.timeout or request.config.timeout
    deadline = deadline_in(seconds)
    answer = _attempts(provider, request, deadline) if request.retries else guarded(provider, request)
    async with aclosing(until(deadline, answer, seconds)) as events:
        async for event in events:
            yield event


async def _attempts(provider: LLMProvider, request: ResolvedRequest, deadline: float | None) -> AsyncGenerator[Event]:
    async for attempt in _retrying(deadline):
        stream = guarded(provider, request)
        first: Event | None = None
        with attempt:
            first = await anext(stream, None)
        state = attempt.retry_state
        if state.outcome is not None and (error := state.outcome.exception()) is not None:
            if state.attempt_number < ATTEMPTS and _may_retry(error, deadline):
                yield Log(f"{error}; trying again")
            continue
        if first is not None:
            yield first
        async with aclosing(stream) as rest:
            async for event in rest:
                yield event


def _retrying(deadline: float | None) -> tenacity.AsyncRetrying:
    return tenacity.AsyncRetrying(
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        retry=tenacity.retry_if_exception(lambda error: _may_retry(error, deadline)),
        wait=_wait,
        reraise=True,
    )


def _may_retry(error: BaseException, deadline: float | None) -> bool:
    """Tell whether the failure may pass, and the vendor's Retry-After ends before the time does."""
    if not isinstance(error, ProviderError) or not error.retryable or error.code == _PAID:
        return False
    return deadline is None or asyncio.get_running_loop().time() + (error.retry_after or 0) < deadline


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, ProviderError) and error.retry_after is not None:
        return error.retry_after
    return tenacity.wait_exponential_jitter(multiplier=FIRST_WAIT, max=LONGEST_WAIT, jitter=FIRST_WAIT)(state)
