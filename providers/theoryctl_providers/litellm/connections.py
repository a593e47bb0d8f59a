"""Connections to vendors: few idle ones are kept, and little is read ahead of who takes the answer."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import chain
from typing import Any

#: Idle connections that are kept for the calls to come, of each event loop. LiteLLM itself keeps 300, for two minutes.
MOST_IDLE = 32

#: Bytes of an answer that wait for their reader when a connection is read no further; at twice the number aiohttp
#: stops. It is also the most that LiteLLM takes at once. With their own 64 and 16 KiB, a client that does not read cost
#: 0.5 MiB.
AHEAD = 2 << 10

#: Bytes that one read of a connection brings. To a protocol without a buffer of its own uvloop brings up to 250 KiB at
#: once, all of which wait where nobody takes them. A hundred clients that do not read have 9 MiB; with 4 KiB here and
#: above they had 11, with 16 KiB here, and 8 and 16 above, 20. An answer of 4 MiB takes no more CPU time than with 4.
PORTION = 2 << 10


class Portions(asyncio.BufferedProtocol):
    """Reads a connection in portions of `PORTION` for a protocol that takes bytes.

    It stands beside that protocol: uvloop asks no `asyncio.Protocol` for a buffer (0.23, handles/stream.pyx).
    """

    def __init__(self, reader: asyncio.Protocol) -> None:
        # A view: asyncio's TLS fills a slice of it (3.11, sslproto.py, _do_read__buffered), which of bytes is a copy.
        self._reader, self._buffer = reader, memoryview(bytearray(PORTION))
        self.pause_writing, self.resume_writing = reader.pause_writing, reader.resume_writing  # type: ignore[method-assign]
        self.eof_received, self.connection_lost = reader.eof_received, reader.connection_lost  # type: ignore[method-assign]

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._reader.data_received(bytes(self._buffer[:nbytes]))


def _in_ascii(message: Any) -> Any:
    """The head of a response with header fields that LiteLLM's transport can hand to httpx, which takes ASCII alone.

    Other bytes are percent-encoded, as addresses have them (RFC 3986, section 2.1): a location is one.
    """
    if all(map(bytes.isascii, chain.from_iterable(message.raw_headers))):
        return message
    from multidict import CIMultiDict, CIMultiDictProxy

    fields = CIMultiDict((_quoted(name), _quoted(value)) for name, value in message.raw_headers)
    told = (message.version, message.code, message.reason, CIMultiDictProxy(fields), message.raw_headers)
    return type(message)(*told, message.should_close, message.compression, message.upgrade, message.chunked)


def _quoted(field: bytes) -> str:
    return "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in field)


def keep_few() -> None:
    """Have LiteLLM's clients close the connections beyond `MOST_IDLE` that nobody uses, and read no more than `AHEAD`.

    They read header fields that are not ASCII, too. Called once, at loading.
    """
    from aiohttp.client_proto import ResponseHandler
    from litellm.llms.custom_httpx import aiohttp_transport, http_handler

    class LittleAhead(ResponseHandler):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.set_protocol(Portions(self))

        def set_response_params(self, **options: Any) -> None:
            super().set_response_params(**{**options, "read_bufsize": AHEAD})

        async def read(self) -> Any:
            message, payload = await super().read()
            return _in_ascii(message), payload

    class FewIdle(http_handler.TCPConnector):  # type: ignore[misc]  # aiohttp is not there where this is checked
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self._factory = partial(LittleAhead, loop=self._loop)  # as aiohttp's own is made

        def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
            # aiohttp 3.14, connector.py: `_conns` holds the idle ones by host, and there is no option for their number.
            idle = sum(map(len, self._conns.values()))
            super()._release(key, protocol, should_close=should_close or idle >= MOST_IDLE)

    # aiohttp raises `read_bufsize` to what is asked for at once (3.14, streams.py, set_read_chunk_size).
    aiohttp_transport.AiohttpResponseStream.CHUNK_SIZE = AHEAD
    http_handler.TCPConnector = FewIdle
