"""Deadlines of everything that is asked of Modal. Its SDK has none of its own."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

#: Seconds that one try of a look-up has, and one of anything else. The SDK tries four times.
QUICK_SECONDS, SLOW_SECONDS = 5.0, 60.0
#: Seconds that a stream may be silent beyond the time-out of its request, and an answer be missing after its end.
GRACE_SECONDS = 10.0
#: Seconds that an HTTP transfer may stand still.
STILL_SECONDS = 20.0
#: Bytes a second below which an upload is given up.
SLOWEST = 1 << 16

#: The stream whose request has no time-out. The SDK opens it again where it ended (`modal/_utils/function_utils.py`).
_RENEWED = "FunctionCallGetDataOut"
#: Silent streams of one kind in a row, of which the SDK would open ten.
_SILENT_STREAMS = 2
#: Streams that are opened one after the other for an item that is missing after the end of its call.
_STREAMS_AFTER_END = 4


def limit(modal: Any) -> None:
    """Give each request, stream and HTTP transfer of the present connection a deadline.

    The SDK has no public way; 1.6.3 and 1.6.4 have these. Raises AttributeError or ImportError where one of its own is
    gone or is called otherwise.
    """
    import inspect

    client = modal.client._Client._client_from_env
    if "timeout" not in inspect.signature(client._call_unary).parameters:
        raise AttributeError(name="_call_unary(timeout=)", obj=client)
    limits = _Limits(client)
    client._call_unary, client._call_stream = limits.call, limits.stream
    _limit_transfers()


def upload_seconds(size: int) -> float:
    """Return the seconds that an upload of so many bytes may take, with all that is asked about it."""
    return SLOW_SECONDS + size / SLOWEST


class _Limits:
    """The two ways through which all gRPC requests of a client go (`modal.client._Client`), with deadlines."""

    def __init__(self, client: Any) -> None:
        self._plain, self._streamed = client._call_unary, client._call_stream
        self._silent: Counter[str] = Counter()
        self._answers: dict[str, _Answer] = {}

    async def call(self, method: Any, request: Any, *, timeout: float | None = None, **more: Any) -> Any:
        said = await self._plain(method, request, timeout=timeout or _seconds(method.name), **more)
        answer = self._answers.get(getattr(request, "function_call_id", ""))
        if answer is not None and getattr(said, "outputs", None):
            answer.end()
        return said

    async def stream(self, method: Any, request: Any, **more: Any) -> AsyncGenerator[Any]:
        name = method.name.rpartition("/")[2]
        answer = self._answers.setdefault(request.function_call_id, _Answer()) if name == _RENEWED else None
        timeout = getattr(request, "timeout", 0)
        seconds = timeout + GRACE_SECONDS if timeout else _seconds(method.name)
        async with aclosing(self._streamed(method, request, **more)) as messages:
            while True:
                try:
                    message = await _next(messages, seconds, answer)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    if answer is not None and answer.is_awaited:
                        return
                    raise self._silence(name, seconds, answer) from None
                self._silent[name] = 0
                if answer is not None:
                    answer.come()
                yield message

    def _silence(self, name: str, seconds: float, answer: _Answer | None) -> Exception:
        """The error of a silent stream; the SDK opens another one after DEADLINE_EXCEEDED, not after DATA_LOSS."""
        from grpclib import GRPCError, Status

        if answer is not None:
            return GRPCError(Status.DATA_LOSS, f"{name}: the answer is missing {GRACE_SECONDS:g} s after its end")
        self._silent[name] += 1
        status = Status.DATA_LOSS if self._silent[name] >= _SILENT_STREAMS else Status.DEADLINE_EXCEEDED
        return GRPCError(status, f"{name}: nothing came in {seconds:g} s")


class _Answer:
    """The items of a call, which come by a stream. Another request says that the call has ended.

    From then on a silent stream is soon left for another one, and after `GRACE_SECONDS` without an item for good.
    """

    def __init__(self) -> None:
        self._until: float | None = None
        self.waiting: asyncio.Timeout | None = None

    @property
    def is_awaited(self) -> bool:
        """True while an item may come by another stream."""
        return self._until is None or time.monotonic() < self._until

    def end(self) -> None:
        """Note that the call has ended."""
        import asyncio

        if self._until is None:
            self._until = time.monotonic() + GRACE_SECONDS
            if self.waiting is not None and not self.waiting.expired():
                self.waiting.reschedule(asyncio.get_running_loop().time() + self.seconds(GRACE_SECONDS))

    def come(self) -> None:
        """Note that an item has come."""
        if self._until is not None:
            self._until = time.monotonic() + GRACE_SECONDS

    def seconds(self, most: float) -> float:
        """The time that a stream may be silent."""
        return most if self._until is None else min(most, GRACE_SECONDS / _STREAMS_AFTER_END)


async def _next(messages: AsyncGenerator[Any], seconds: float, answer: _Answer | None) -> Any:
    """The next message. Raises TimeoutError and StopAsyncIteration."""
    import asyncio

    if answer is None:
        async with asyncio.timeout(seconds):
            return await anext(messages)
    async with asyncio.timeout(answer.seconds(seconds)) as answer.waiting:
        try:
            return await anext(messages)
        finally:
            answer.waiting = None


def _seconds(method: str) -> float:
    """The time that one request has, by its name, such as `/modal.client.ModalClient/AppList`."""
    name = method.rpartition("/")[2]
    quick = name != _RENEWED and re.search(r"(Get(?!Logs)|List|Lookup|Hello|CountLogs|FetchLogs)", name)
    return QUICK_SECONDS if quick else SLOW_SECONDS


def _limit_transfers() -> None:
    """Let no HTTP transfer stand still. All of the SDK's share one session (`modal/_utils/http_utils.py`)."""
    from modal._utils import http_utils

    plain = http_utils._http_client_with_tls
    if plain.__module__ == __name__:
        return

    def limited(timeout: float | None) -> Any:
        from aiohttp import ClientTimeout

        session = plain(timeout)
        session._timeout = ClientTimeout(total=timeout, sock_connect=STILL_SECONDS, sock_read=STILL_SECONDS)
        return session

    http_utils._http_client_with_tls = limited
