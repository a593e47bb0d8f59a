"""Providers for the benchmark and tests of what a server holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from theoryctl_providers import LLMProvider
from theoryctl_providers.contract import Delta, Event, Finish, Request

#: Seconds between two pieces of `Slow`.
PAUSE = 0.1


class Slow(LLMProvider):
    """Counts as far as the user says, a number every so often."""

    async def stream(self, request: Request) -> AsyncGenerator[Event]:
        for number in range(int(request.inputs["messages"][0]["content"])):
            yield Delta(text=f"{number} ")
            await asyncio.sleep(PAUSE)
        yield Finish()


class Flood(LLMProvider):
    """Counts as far as the user says, as fast as it is asked, although it is one that may wait."""

    async def stream(self, request: Request) -> AsyncGenerator[Event]:
        for number in range(int(request.inputs["messages"][0]["content"])):
            yield Delta(text=f"{number} ")
        yield Finish()


class Unclosable(LLMProvider):
    """Answers, but cannot close its connections."""

    async def stream(self, request: Request) -> AsyncGenerator[Event]:
        yield Delta(text="x")
        yield Finish()

    async def aclose(self) -> None:
        raise OSError("it is stuck")
