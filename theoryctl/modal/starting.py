"""Containers that do not come up, by what the log says of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from theoryctl_providers.contract import ProviderError

#: Lines of a log that say that a container has failed: Python's own, and Modal's (InftyAI/Nebula#68).
_FAILED = ("Traceback (most recent call last)", "Runner failed with")
_SHOWN = 5
_WIDTH = 200


async def check_start(function: Any, since: datetime, look: str) -> None:
    """Raise ProviderError `ERR_PROVIDER` where containers have ended, since then, before they could run a request.

    Modal starts one after the other, without end, and says nothing to the caller (modal.com/docs/guide/retries).
    """
    entries = [entry async for entry in function.logs.fetch.aio(since=since)]
    if lines := failed_start(entries):
        shown = " | ".join(line[:_WIDTH] for line in lines[-_SHOWN:])
        raise ProviderError("ERR_PROVIDER", f"the container on Modal cannot start: {shown}", hint=look)


def failed_start(entries: Iterable[Any]) -> list[str]:
    """Return the lines of the last container that ended before it ran anything; none where nothing says so."""
    texts: dict[str, str] = {}
    busy = set()
    for entry in entries:
        container = next((each for each in reversed(entry.context_ids) if each.startswith("ta-")), "")
        texts[container] = texts.get(container, "") + entry.message
        if any(each.startswith("fc-") for each in entry.context_ids) or '"run_id"' in entry.message:
            busy.add(container)  # it has run a request, so it is up
    idle = (text for container, text in texts.items() if container not in busy)
    failed = [text for text in idle if any(line in text for line in _FAILED)]
    return [line for line in failed[-1].splitlines() if line.strip()] if failed else []
