"""The connections of LiteLLM's clients bring an answer as it was sent, in small portions, on each loop."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.certificates import certificates
from tests.real.prediction import HOST
from theoryctl_providers.litellm.connections import AHEAD, PORTION

#: An answer, and the bytes of it that leave at a time: of TLS a record, several of which fit into one portion.
BODY, RECORD = os.urandom(1 << 20), 1_000

Loop = Callable[[], asyncio.AbstractEventLoop]
LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request with `BODY`."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(BODY))
    for start in range(0, len(BODY), RECORD):
        writer.write(BODY[start : start + RECORD])
    await writer.drain()
    writer.close()


async def asked(certificate: tuple[Path, Path] | None, taken: Callable[[Any], Any]) -> Any:
    """Ask as LiteLLM's clients do, over TLS with a certificate, and return what is `taken` of the response."""
    from aiohttp import ClientSession
    from litellm.llms.custom_httpx.http_handler import TCPConnector

    ours = theirs = None
    if certificate is not None:
        ours, theirs = ssl.create_default_context(cafile=certificate[0]), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        theirs.load_cert_chain(certificate[1])
    server = await asyncio.start_server(said, "127.0.0.1", 0, ssl=theirs)
    url = f"{'http' if ours is None else 'https'}://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with (
        server,
        ClientSession(connector=TCPConnector()) as client,
        client.get(url, ssl=ours or True, server_hostname=HOST) as response,
    ):
        return await taken(response)


@LOOPS
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.usefixtures("litellm")
def test_a_large_answer_arrives_as_it_was_sent(loop: Loop, tls: bool, tmp_path: Path) -> None:
    certificate = certificates(tmp_path, HOST) if tls else None
    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(asked(certificate, lambda response: response.read())) == BODY


@LOOPS
@pytest.mark.usefixtures("litellm")
def test_of_an_answer_that_nobody_takes_little_is_read(loop: Loop) -> None:
    async def waiting(response: Any) -> int:
        """The bytes that have come when no more do, after a client of LiteLLM's has taken the first of them."""
        from litellm.llms.custom_httpx.aiohttp_transport import AiohttpResponseStream

        await anext(aiter(AiohttpResponseStream(response)))
        await asyncio.sleep(0.3)
        return int(response.content.total_raw_bytes)

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(asked(None, waiting)) <= 3 * AHEAD + PORTION
