"""A vendor in a process of its own: OpenAI's chat completions, whole and streamed, at as little cost as can be.

It says the same to everybody and checks nothing. Told a file descriptor, it writes its port there and serves until it
is ended; told seconds as well, it waits so long before each answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

WORDS = ["Hello", " there", "!", " How", " may", " I", " help", " you", " today", "?"]
_HEAD = {"id": "chatcmpl-1", "created": 1, "model": "gpt-4o-mini-2024-07-18", "system_fingerprint": "fp_1"}
_USAGE = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def _whole() -> bytes:
    message = {"role": "assistant", "content": "".join(WORDS), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    body = json.dumps({**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def _streamed() -> bytes:
    deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}, *({"content": word} for word in WORDS), {}]
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}], "usage": None}
        for delta in deltas
    ]
    chunks.append({"choices": [], "usage": _USAGE})
    events = [json.dumps({**_HEAD, "object": "chat.completion.chunk", **chunk}) for chunk in chunks]
    data = b"".join(f"data: {event}\n\n".encode() for event in (*events, "[DONE]"))
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data)


WHOLE, STREAMED = _whole(), _streamed()


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, latency: float) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            if latency:
                await asyncio.sleep(latency)
            writer.write(STREAMED if re.search(rb'"stream": *true', body) else WHOLE)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _serve(ready_fd: int, latency: float) -> None:
    converse = partial(_converse, latency=latency)
    server = await asyncio.start_server(converse, "127.0.0.1", 0, backlog=1024)
    os.write(ready_fd, f"{server.sockets[0].getsockname()[1]}\n".encode())
    os.close(ready_fd)
    await server.serve_forever()


@contextmanager
def vendor(latency: float = 0.0) -> Iterator[dict[str, str]]:
    """Start one that waits so many seconds before each answer; the secrets that lead to it. It is ended."""
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "tests.bench.vendor", str(writer), str(latency)]
    process = subprocess.Popen(command, pass_fds=[writer])
    os.close(writer)
    try:
        with os.fdopen(reader) as ready:
            url = f"http://127.0.0.1:{int(ready.readline())}/v1"
        yield {"OPENAI_API_KEY": "key-of-this-bench", "OPENAI_BASE_URL": url}
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
