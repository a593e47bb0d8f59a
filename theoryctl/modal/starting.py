"""Containers that do not come up, by their log and by the figures of their function."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from theoryctl.modal.logs import container_of
from theoryctl_providers.contract import ProviderError

#: Lines of a log that say that a container has failed: Python's own, and Modal's (InftyAI/Nebula#68).
_FAILED = ("Traceback (most recent call last)", "Runner failed with")
#: Seconds in which the rest of a failure comes: its last line says why, and is written after its first.
_REST = 1.0
_SHOWN = 5
_WIDTH = 200


class Starts:
    """The starts of a function's containers since a request was sent, while it waits for one of them.

    Modal starts one after the other, without end, and says nothing to the caller (modal.com/docs/guide/retries).
    """

    def __init__(self, function: Any, since: datetime, look: str) -> None:
        """`look` is the command that shows what a container says, for the error of one that cannot start."""
        self._function, self._since, self._look = function, since, look
        self._seen: list[int] = []

    async def check(self) -> None:
        """Raise ProviderError `ERR_PROVIDER` where containers have ended before they could run a request.

        A line in the log says so at once. A container that was killed writes none, and the figures do not tell it from
        one that another request has crashed: so no request may run on two looks in a row, with more failures on the
        second, or on three.
        """
        entries = await self.check_log()
        failed = await self._failed()
        self._seen = [*self._seen, failed] if failed else []
        if len(self._seen) > 2 or len(set(self._seen)) > 1:
            message = f"the container on Modal cannot start: {failed} ended before the request ran"
            lines = idle_lines(entries) or ["none wrote why, as when memory runs out (resources.memory)"]
            raise self._cannot_start(message, lines)

    async def check_log(self) -> list[Any]:
        """Return the entries of the log; raise what `check` does where a line says that a container has failed."""
        import asyncio

        entries = await self._entries()
        if failed_start(entries):
            await asyncio.sleep(_REST)
            entries = await self._entries()
        if lines := failed_start(entries):
            raise self._cannot_start("the container on Modal cannot start", lines)
        return entries

    async def _entries(self) -> list[Any]:
        return [entry async for entry in self._function.logs.fetch.aio(since=self._since)]

    async def _failed(self) -> int:
        """The number of containers that failed; 0 while a request runs in one."""
        now = await self._function.get_current_stats.aio()
        if now.num_running_inputs:
            return 0
        stats = await self._function.stats.aio(since=self._since)
        return int(stats.container_error_count)

    def _cannot_start(self, message: str, lines: list[str]) -> ProviderError:
        shown = " | ".join(line[:_WIDTH] for line in lines[-_SHOWN:])
        return ProviderError("ERR_PROVIDER", f"{message}: {shown}", hint=self._look)


def failed_start(entries: Iterable[Any]) -> list[str]:
    """Return the lines of the last container that says it ended before it ran anything; none where nothing says so."""
    failed = [text for text in _idle(entries) if any(line in text for line in _FAILED)]
    return _lines(failed[-1]) if failed else []


def idle_lines(entries: Iterable[Any]) -> list[str]:
    """Return the lines of the last container that wrote something, and has run nothing."""
    idle = _idle(entries)
    return _lines(idle[-1]) if idle else []


def _idle(entries: Iterable[Any]) -> list[str]:
    """The texts of containers that have run nothing."""
    texts: dict[str, str] = {}
    busy = set()
    for entry in entries:
        container = container_of(entry)
        texts[container] = texts.get(container, "") + entry.message
        if any(each.startswith("fc-") for each in entry.context_ids) or '"run_id"' in entry.message:
            busy.add(container)  # it has run a request, so it is up
    return [text for container, text in texts.items() if container not in busy]


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]
