"""A vendor that misbehaves on demand: a real HTTP server on 127.0.0.1, raw enough to break off anywhere.

It speaks OpenAI's chat completions (/v1/chat/completions) and Anthropic's messages (/v1/messages), streaming unless a
test says what to say, Ollama's chat (/api/chat) only then, and OpenAI's embeddings, which always go well.
It does not imitate TLS, HTTP/2, or the vendors' checks of what they are sent.

    with Vendor(first(2, fails(429, retry_after="0.2"))) as vendor:
        …  # with vendor.addresses in the environment
        assert len(vendor.requests) == 3
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from itertools import pairwise
from typing import Any

from tests.real.dialects import Anthropic, whole_answer
from tests.real.server import Behaviour, Conversation, Received, Server

ANSWER = ("Hel", "lo the", "re!")


class Vendor:
    """A server with one behaviour, running as long as its `with` block. `requests` are those it got so far.

    It listens on a port of its own on 127.0.0.1, or on the socket it is given, which is its own from then on.
    """

    def __init__(self, behaviour: Behaviour | None = None, listening: socket.socket | None = None) -> None:
        self._server = Server(behaviour or answers(), listening)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Vendor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def addresses(self) -> dict[str, str]:
        """The variables that lead LiteLLM here."""
        return {"OPENAI_BASE_URL": f"{self.url}/v1", "ANTHROPIC_API_BASE": self.url}

    @property
    def requests(self) -> list[Received]:
        return list(self._server.received)

    @property
    def connections(self) -> int:
        """The number of connections that were opened so far."""
        return self._server.opened

    def wait_for_request(self, seconds: float) -> None:
        """Return once a request has come. Raises TimeoutError."""
        if not self._server.asked.wait(seconds):
            raise TimeoutError(f"no request within {seconds} s")


# -- behaviours -------------------------------------------------------------------------------------------------------


def answers(*pieces: str | None) -> Behaviour:
    """An answer in pieces, ending as it should. Anthropic's comes whole where nobody asked for a stream: LiteLLM reads
    it, while ours reads that of a server which streams unasked."""

    def behave(talk: Conversation) -> None:
        if isinstance(talk.dialect, Anthropic) and not talk.received.body.get("stream"):
            talk.send(200, json.dumps(talk.dialect.whole("".join(filter(None, pieces or ANSWER)))).encode())
        else:
            talk.stream(whole_answer(talk.dialect, pieces or ANSWER))

    return behave


def echoes_the_key(*cuts: int) -> Behaviour:
    """An answer that says the key it was called with, cut at these places."""

    def behave(talk: Conversation) -> None:
        places = [0, *cuts, len(talk.key)]
        pieces = [talk.key[start:end] for start, end in pairwise(places)]
        talk.stream(whole_answer(talk.dialect, ["Your key is ", *pieces, ", is it not?"]))

    return behave


def streams(events: Callable[[Any], Sequence[bytes]]) -> Behaviour:
    """These events of the vendor's dialect, in a well-formed HTTP answer of status 200."""
    return lambda talk: talk.stream(events(talk.dialect))


def fails(
    status: int,
    *,
    retry_after: str | None = None,
    should_retry: str | None = None,
    body: dict[str, Any] | bytes | None = None,
) -> Behaviour:
    """An error with its status; without `body`, one in the vendor's format that quotes the key."""

    def behave(talk: Conversation) -> None:
        said = talk.dialect.error(status, talk.key) if body is None else body
        told = {"retry_after": retry_after, "x_should_retry": should_retry}
        headers = {name: value for name, value in told.items() if value is not None}
        talk.send(status, said if isinstance(said, bytes) else json.dumps(said).encode(), **headers)

    return behave


def says(document: Any, **headers: str) -> Behaviour:
    """One whole JSON document, whatever was asked for; a header's underscores stand for hyphens."""
    return lambda talk: talk.send(200, json.dumps(document).encode(), **headers)


def says_lines(*documents: Any) -> Behaviour:
    """Documents as Ollama streams them, one a line."""

    def behave(talk: Conversation) -> None:
        body = b"".join(json.dumps(document).encode() + b"\n" for document in documents)
        talk.send(200, body, content_type="application/x-ndjson")

    return behave


def says_events(documents: Iterable[Any], **headers: str) -> Behaviour:
    """Documents as OpenAI streams them, and the end of the stream."""

    def behave(talk: Conversation) -> None:
        events = [f"data: {json.dumps(document)}\n\n".encode() for document in documents]
        talk.stream([*events, b"data: [DONE]\n\n"], **headers)

    return behave


def fails_until_a_date(status: int, seconds: int) -> Behaviour:
    """An error whose Retry-After is an HTTP date, at least `seconds` away: dates know no fractions."""

    def behave(talk: Conversation) -> None:
        date = datetime.now(timezone.utc) + timedelta(seconds=seconds + 1)
        fails(status, retry_after=format_datetime(date, usegmt=True))(talk)

    return behave


def first(count: int, behaviour: Behaviour, then: Behaviour | None = None) -> Behaviour:
    """`behaviour` for the first requests, `then` (default: an answer) for all that follow."""
    return lambda talk: (behaviour if talk.number <= count else then or answers())(talk)


def stalls_at_once(talk: Conversation) -> None:
    talk.stall()


def stalls_midway(talk: Conversation) -> None:
    _begin(talk)
    talk.stall()


def hangs_up_at_once(talk: Conversation) -> None:
    talk.hang_up()


def hangs_up_midway(talk: Conversation) -> None:
    """FIN in the middle of a chunk."""
    _begin(talk)
    talk.write_half_a_chunk()
    talk.hang_up()


def resets_at_once(talk: Conversation) -> None:
    talk.hang_up(reset=True)


def resets_midway(talk: Conversation) -> None:
    _begin(talk)
    talk.hang_up(reset=True)


def sends_a_garbage_chunk(talk: Conversation) -> None:
    talk.stream([*talk.dialect.opening(), talk.dialect.text("Hel"), b'data: {"choices": [{]]\n\n', talk.dialect.end()])


def starts_with_a_garbage_chunk(talk: Conversation) -> None:
    talk.stream([b'data: {"choices": [{]]\n\n', talk.dialect.end()])


def sends_a_web_page(talk: Conversation) -> None:
    """Status 200, and a body that is no stream of events at all."""
    talk.send(200, b"<html><body>Please log in to the guest network.</body></html>", content_type="text/html")


def fails_at_length(talk: Conversation) -> None:
    """Status 400, the vendor's words, and 16 MiB after them."""
    talk.raw(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
    talk.write(b"the prompt is too strange ")
    for _ in range(256):
        talk.write(b"[" * 65_536)
    talk.end_stream()


def sends_nothing(talk: Conversation) -> None:
    """Status 200, the right content type, and an empty body."""
    talk.stream([])


def holds_nothing(talk: Conversation) -> None:
    """A whole answer without a choice."""
    talk.stream(talk.dialect.empty())


def says_null(talk: Conversation) -> None:
    talk.stream(whole_answer(talk.dialect, [None]))


def ends_without_a_reason(talk: Conversation) -> None:
    """Text, then the end of the stream, and no finish reason."""
    talk.stream([*talk.dialect.opening(), talk.dialect.text("Hel"), talk.dialect.end()])


def ends_abruptly(talk: Conversation) -> None:
    """Text, then a body that ends as HTTP has it, and nothing of the vendor's own end."""
    talk.stream([*talk.dialect.opening(), talk.dialect.text("Hel")])


def fails_midway(talk: Conversation) -> None:
    """Text, then a failure told inside the stream."""
    talk.stream([*talk.dialect.opening(), talk.dialect.text("Hel"), talk.dialect.error_event()])


def fails_inside_the_stream(talk: Conversation) -> None:
    """Status 200, and a failure instead of the first piece of text."""
    talk.stream([talk.dialect.error_event()])


def _begin(talk: Conversation) -> None:
    talk.begin_stream()
    for event in (*talk.dialect.opening(), talk.dialect.text("Hel")):
        talk.write(event)
