"""Responses of vendors: their bytes, which can be looked at beside LiteLLM, and their JSON."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import aclosing
from json import JSONDecodeError
from typing import Any

import httpx

from theoryctl_providers.litellm.lines import Newlines, readable
from theoryctl_providers.litellm.untranslated import amended
from theoryctl_providers.status import LONGEST_BODY


class Answer(httpx.Response):  # type: ignore[misc]  # httpx is not there where this is checked
    """A response whose JSON may hold integers of any length, and is as LiteLLM can read it."""

    def json(self, **options: Any) -> Any:
        try:
            return amended(super().json(**options))
        except JSONDecodeError:
            raise
        except ValueError:
            return amended(readable(self.text))


class Body(httpx.AsyncByteStream):  # type: ignore[misc]  # httpx is not there where this is checked
    """The bytes of a response, which can be looked at before somebody takes them; of a failure as many as are told.

    `watch`, where it is set, is told each chunk as it is taken.
    """

    def __init__(self, response: httpx.Response) -> None:
        self._inner: Any = response.stream
        chunks = _decoded(response)
        self._source = of_failure(chunks) if response.is_error else chunks
        self._held: deque[bytes] = deque()
        self.watch: Callable[[bytes], None] | None = None

    async def more(self) -> bytes | None:
        """Hold one more chunk, and return it; None at the end."""
        chunk = await anext(self._source, None)
        if chunk is not None:
            self._held.append(chunk)
        return chunk

    @property
    def held(self) -> bytes:
        """All that was looked at and not taken."""
        return b"".join(self._held)

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        while (chunk := self._held.popleft() if self._held else await anext(self._source, None)) is not None:
            if self.watch is not None:
                self.watch(chunk)
            yield chunk

    async def aclose(self) -> None:
        """Close the response, and let go of it: it holds this, and each would keep the other in memory."""
        inner, self._inner = self._inner, None
        if inner is not None:
            await self._source.aclose()
            await inner.aclose()


def _decoded(response: httpx.Response) -> AsyncGenerator[bytes]:
    """The body without its content encoding, which is then no longer that of the response, and without a BOM."""
    if response.headers.get("content-encoding", "identity") == "identity":
        return _chunks(response.stream)
    encoded = httpx.Response(response.status_code, headers=response.headers, stream=response.stream)
    del response.headers["content-encoding"]
    response.headers.pop("content-length", None)
    return _chunks(encoded.aiter_bytes())


async def _chunks(source: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    """The chunks of a body of text. A byte order mark before server-sent events or JSON is to be ignored, and nobody
    here does (WHATWG HTML, section 9.2.5; RFC 8259, section 8.1)."""
    start: bytes | None = b""
    newlines = Newlines()
    async for chunk in source:
        if start is not None:
            start += chunk
            if BOM_UTF8.startswith(start):  # it may come in pieces
                continue
            chunk, start = start.removeprefix(BOM_UTF8), None
        yield newlines.feed(chunk)
    if start and start != BOM_UTF8:
        yield start


async def of_failure(chunks: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """The body of a failure, as far as it is told and comes: a status counts, whatever becomes of the body.

    LiteLLM looks for keys in it, on the event loop: 200 KB took it seconds.
    """
    left = LONGEST_BODY
    async with aclosing(chunks):
        try:
            async for chunk in chunks:
                yield chunk[:left]
                left -= len(chunk)
                if left <= 0:
                    return
        except Exception:  # of httpx's, of aiohttp's, or of what decodes it
            return
