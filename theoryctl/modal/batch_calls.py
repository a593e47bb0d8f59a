"""Calls of a batch, and their results, which Modal keeps for seven days."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

from theoryctl.modal.calls import CHECK_SECONDS, LOOK_SECONDS
from theoryctl.modal.sdk import uploaded
from theoryctl.modal.starting import Starts
from theoryctl_providers.contract import dumps


def send(function: Any, call: dict[str, Any]) -> str:
    """Send a call, and return its ID. Raises what `uploaded` and the SDK do."""

    async def spawn() -> str:
        return str((await function.spawn.aio(call)).object_id)

    return str(uploaded(spawn(), len(dumps(call)), "the request"))


def result(modal: Any, function: Any, call: str, look: str) -> dict[str, Any] | None:
    """Wait for the result of a call, for as long as it takes; None where Modal no longer has it.

    `look` is the command that shows what a container says. Raises what the SDK does, and ProviderError `ERR_PROVIDER`
    where containers cannot start.
    """
    waited = modal.FunctionCall.from_id(call)
    starts = Starts(function, datetime.now(timezone.utc), look)
    while True:
        try:
            answer: dict[str, Any] = waited.get(timeout=LOOK_SECONDS)
            return answer
        except (modal.exception.OutputExpiredError, modal.exception.NotFoundError):
            return None
        except TimeoutError as error:
            if type(error) is not TimeoutError:  # aiohttp's, of the result's transfer
                raise
            _check(modal, starts)


def is_final(modal: Any, error: BaseException) -> bool:
    """Tell whether what the SDK raised is the end of the call, and not of the waiting for it."""
    kinds = modal.exception
    return isinstance(
        error,
        (
            kinds.RemoteError,
            kinds.ExecutionError,
            kinds.FunctionTimeoutError,
            kinds.InternalFailure,
        ),
    )


def _check(modal: Any, starts: Starts) -> None:
    import asyncio

    with suppress(modal.exception.Error, OSError, TimeoutError):
        asyncio.run(asyncio.wait_for(starts.check(), CHECK_SECONDS))
