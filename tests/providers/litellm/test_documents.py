"""Bodies of vendors are cut into documents in time that is linear in their size, whatever their chunks."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from theoryctl_providers.litellm.answers import Body
from theoryctl_providers.litellm.documents import documents, is_openai

CHUNK = 16 << 10


class Chunks(httpx.AsyncByteStream):  # type: ignore[misc]  # httpx is not there where this is checked
    """A body in chunks as aiohttp cuts them."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size = data, size

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self._data), self._size):
            yield self._data[at : at + self._size]


async def read(data: bytes, size: int) -> tuple[bool, list[Any]]:
    body = Body(httpx.Response(200, stream=Chunks(data, size)))
    return await is_openai(body), [document async for document in documents(body)]


def answer(size: int, indent: int | None = None) -> bytes:
    return json.dumps({"choices": [{"message": {"content": "x" * size}}], "id": "a"}, indent=indent).encode()


@pytest.mark.parametrize("size", [1, 7, CHUNK])
@pytest.mark.parametrize("indent", [None, 2], ids=["one line", "several lines"])
def test_a_whole_answer_is_one_document_however_it_is_cut(size: int, indent: int | None) -> None:
    data = answer(100, indent)
    assert asyncio.run(read(data, size)) == (True, [json.loads(data)])
    assert asyncio.run(read(b"\n" + data + b"\n\n", size)) == (True, [json.loads(data)])


@pytest.mark.parametrize("size", [1, 7, CHUNK])
def test_events_and_lines_are_documents_however_they_are_cut(size: int) -> None:
    chunks = [{"choices": [], "id": number} for number in range(3)]
    events = "".join(f": ping\n\ndata: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    assert asyncio.run(read(events.encode(), size)) == (True, chunks)
    lines = [{"message": {}}, {"message": {}, "done": True}]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    assert asyncio.run(read(text.encode(), size)) == (False, lines)


@pytest.mark.parametrize(("data", "verdict"), [(b"", True), (b"\n\n", True), (b"<html>\n", False), (b"<p>", False)])
def test_nothing_is_an_answer_of_openais_and_a_page_is_none(data: bytes, verdict: bool) -> None:
    assert asyncio.run(is_openai(Body(httpx.Response(200, stream=Chunks(data, CHUNK))))) is verdict


@pytest.mark.parametrize("indent", [None, 2], ids=["one line", "several lines"])
def test_an_answer_of_many_mebibytes_costs_no_more_a_byte(indent: int | None) -> None:
    def seconds(size: int) -> float:
        data = answer(size, indent)
        begun = time.process_time()
        asyncio.run(read(data, CHUNK))
        return time.process_time() - begun

    small, large = (min(seconds(size << 20) for _ in range(3)) for size in (2, 16))
    # 8 times as much, and 10 to 20 were measured, because C's allocator gets large blocks from the kernel anew; to look
    # at every byte again with each chunk would take 64 times as long.
    assert large < 40 * small
