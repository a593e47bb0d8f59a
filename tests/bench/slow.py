"""A provider that takes its time, for the benchmark that holds streams open: a number every so often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from theoryctl_providers import LLMProvider
from theoryctl_providers.contract import Delta, Event, Finish, Request

#: Seconds between two pieces.
PAUSE = 0.1


class Slow(LLMProvider):
    """Counts as far as the user says."""

    async def stream(self, request: Request) -> AsyncGenerator[Event]:
        for number in range(int(request.inputs["messages"][0]["content"])):
            yield Delta(text=f"{number} ")
            await asyncio.sleep(PAUSE)
        yield Finish()
