"""Idle connections to vendors: few are kept, however many calls there were at once."""

from __future__ import annotations

from typing import Any

#: Idle connections that are kept for the calls to come, of each event loop. LiteLLM itself keeps 300, for two minutes.
MOST_IDLE = 32


def keep_few() -> None:
    """Have LiteLLM's clients close the connections beyond `MOST_IDLE` that nobody uses. Called once, at loading."""
    from litellm.llms.custom_httpx import http_handler

    class FewIdle(http_handler.TCPConnector):  # type: ignore[misc]  # aiohttp is not there where this is checked
        def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
            # aiohttp 3.14, connector.py: `_conns` holds the idle ones by host, and there is no option for their number.
            idle = sum(map(len, self._conns.values()))
            super()._release(key, protocol, should_close=should_close or idle >= MOST_IDLE)

    http_handler.TCPConnector = FewIdle
