"""Server-sent events in every form that WHATWG HTML allows (section 9.2), and integers of any length, as each vendor's
stream is read by ours or by LiteLLM."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.real.conftest import LITELLM_WARNINGS, Ask, Call
from tests.real.said import RECEIVED, SENT, Said
from tests.real.standin import dialect_of
from tests.real.test_abilities import MODELS
from tests.real.test_keys import secrets_for
from theoryctl_providers.litellm.vendors import VENDORS

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("short_waits")]

vendors = pytest.mark.parametrize("vendor", ["openai", "anthropic", "gemini", "cohere"])

TOLD = Said(text=["Hel", "lo,\u2028", "{you}!"], calls=[("get_weather", {"city": "Turin"})])

AskStream = Callable[..., Call]


@pytest.fixture
def ask_vendor(ask: Ask, httpserver: HTTPServer) -> AskStream:
    """Ask a vendor whose answer is this body, sent in pieces of this size."""

    def ask_vendor(vendor: str, body: bytes, *, cut: int = 1 << 20, streamed: bool = True) -> Call:
        def respond(_: Request) -> Response:
            kind = "text/event-stream" if streamed else "application/json"
            return Response((body[at : at + cut] for at in range(0, len(body), cut)), content_type=kind)

        httpserver.expect_request(re.compile(".*")).respond_with_handler(respond)
        (row,) = [row for row in VENDORS if row.name == vendor]
        call = ask(
            secrets_for(row, httpserver.url_for("").rstrip("/")),
            f"{vendor}/{MODELS.get(vendor, 'a-model')}",
            streamed=streamed,
        )
        assert len(httpserver.log) == 1
        return call

    return ask_vendor


def stream(vendor: str) -> bytes:
    return b"".join(dialect_of(vendor).streamed(TOLD))


def in_lines(body: bytes) -> bytes:
    """The same events, each with its document on several lines of data."""
    found = []
    for line in body.decode().split("\n"):
        field, _, data = line.partition(": ")
        text = json.dumps(json.loads(data), indent=1) if field == "data" and data != "[DONE]" else None
        found += [line] if text is None else [f"data: {each}" for each in text.split("\n")]
    return "\n".join(found).encode()


def unescaped(body: bytes) -> bytes:
    """The same events with U+2028 as it is, which ends no line of an event."""
    return body.replace(rb"\u2028", "\u2028".encode())


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "usual": lambda body: body,
    "CR": lambda body: body.replace(b"\n", b"\r"),
    "CRLF": lambda body: body.replace(b"\n", b"\r\n"),
    "lines": in_lines,
    "lines CR": lambda body: in_lines(body).replace(b"\n", b"\r"),
    "lines CRLF": lambda body: in_lines(body).replace(b"\n", b"\r\n"),
    "comments": lambda body: b": hi\n\n" + body.replace(b"\n\n", b"\n: ping\n\n: data: {}\n\n"),
    "no space": lambda body: body.replace(b": {", b":{"),
    "BOM": lambda body: b"\xef\xbb\xbf" + body,
    "fields": lambda body: b"retry: 10\n\n" + body.replace(b"\ndata", b"\nid: 7\ndata"),
    "unescaped": unescaped,
    "no empty lines": lambda body: body.replace(b"\n\n", b"\n"),
}


@vendors
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cut", [7, 1 << 20], ids=["cut", "at once"])
def test_an_event_stream_says_the_same_in_every_form(ask_vendor: AskStream, vendor: str, form: str, cut: int) -> None:
    call = ask_vendor(vendor, FORMS[form](stream(vendor)), cut=cut)
    assert call.outputs["answer"] == "".join(TOLD.text)
    (called,) = call.outputs["tool_calls"]
    assert (called["name"], called["arguments"]) == TOLD.calls[0]
    assert (call.envelope["usage"]["input_tokens"], call.envelope["usage"]["output_tokens"]) == (SENT, RECEIVED)


@pytest.mark.parametrize("vendor", ["openai", "anthropic", "gemini", "cohere", "ollama"])
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_a_count_too_long_to_be_read_is_unknown_and_the_answer_stays(
    ask_vendor: AskStream, vendor: str, streamed: bool
) -> None:
    told = Said(text=["1" * 5000])
    body = (
        b"".join(dialect_of(vendor).streamed(told)) if streamed else json.dumps(dialect_of(vendor).whole(told)).encode()
    )
    call = ask_vendor(vendor, body.replace(f": {SENT}".encode(), b": " + b"9" * 5000), streamed=streamed)
    assert call.outputs["answer"] == "1" * 5000
    usage = call.envelope["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (None, RECEIVED)
