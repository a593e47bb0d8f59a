"""Connections to vendors: few idle ones are kept, and little is read ahead of who takes the answer."""

from __future__ import annotations

from functools import partial
from typing import Any

#: Idle connections that are kept for the calls to come, of each event loop. LiteLLM itself keeps 300, for two minutes.
MOST_IDLE = 32

#: Bytes of an answer that wait for their reader when a connection is read no further. At twice the number aiohttp
#: stops, and uvloop brings up to 250 KiB at once: with aiohttp's own 64 KiB, a client that does not read costs 0.5 MiB.
AHEAD = 8 << 10


def keep_few() -> None:
    """Have LiteLLM's clients close the connections beyond `MOST_IDLE` that nobody uses, and read no more than `AHEAD`.

    Called once, at loading.
    """
    from aiohttp.client_proto import ResponseHandler
    from litellm.llms.custom_httpx import http_handler

    class LittleAhead(ResponseHandler):
        def set_response_params(self, **options: Any) -> None:
            super().set_response_params(**{**options, "read_bufsize": AHEAD})

    class FewIdle(http_handler.TCPConnector):  # type: ignore[misc]  # aiohttp is not there where this is checked
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self._factory = partial(LittleAhead, loop=self._loop)  # as aiohttp's own is made

        def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
            # aiohttp 3.14, connector.py: `_conns` holds the idle ones by host, and there is no option for their number.
            idle = sum(map(len, self._conns.values()))
            super()._release(key, protocol, should_close=should_close or idle >= MOST_IDLE)

    http_handler.TCPConnector = FewIdle
