"""Whoever answers on an instance's port: an error or "not healthy", and never a bug of ours."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from theoryctl.instances import client, connection
from theoryctl.instances.instance import Instance
from theoryctl.instances.session import InstanceSession
from theoryctl_providers import run
from theoryctl_providers.contract import ProviderConfig, ProviderError, Request, Result, read_events

INSTANCE = Instance(
    ref="llm/litellm@1",
    runtime="process",
    url="",
    mode="mock",
    token="token-of-this-test-0123456789-0123",
    started_at=0.0,
    manifest_digest="",
    secrets_present=(),
    secrets_absent=(),
    max_attachment=1,
    platform="linux/amd64",
)
REQUEST = Request(config=ProviderConfig(timeout=2.0), inputs={})
ENVELOPE: dict[str, Any] = json.loads(json.dumps(run({"messages": [{"role": "user", "content": "x"}]})))


class Foreign:
    """A server that answers whatever comes with the same bytes, and hangs up; `healthy`, it says first that it is well.

    It proves nothing, and so stands for a server that is too old to, or that knows the token and has gone mad.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.answer, self.healthy = b"", True
        threading.Thread(target=self._serve, daemon=True).start()
        self.instance = replace(INSTANCE, url=f"http://127.0.0.1:{self._listener.getsockname()[1]}")

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                with peer, suppress(OSError):
                    if peer.recv(65536).startswith(b"GET /healthz") and self.healthy:
                        peer.sendall(http(b'{"ready": true, "ref": "llm/litellm@1"}'))
                        peer.recv(65536)
                    peer.sendall(self.answer)
                    peer.shutdown(socket.SHUT_WR)
                    while peer.recv(65536):
                        pass

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def foreign() -> Iterator[Foreign]:
    foreign = Foreign()
    yield foreign
    foreign.close()


def http(body: bytes, status: str = "200 OK", kind: str = "text/event-stream") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def event(name: str, value: Any) -> bytes:
    return f"event: {name}\ndata: {value if isinstance(value, str) else json.dumps(value)}\n\n".encode()


def changed(**more: Any) -> bytes:
    return event("result", {**ENVELOPE, **more})


DEEP = "[" * 100_000
OUTPUT = ENVELOPE["outputs"][0]

#: Events that are none, by what is wrong with them.
EVENTS: dict[str, bytes] = {
    "no JSON": event("delta", "{"),
    "deep JSON": event("result", DEEP),
    "an array": event("result", []),
    "a number": event("started", 5),
    "an unknown name": event("nonsense", {}),
    "no UTF-8": b"event: delta\ndata: \xff\xfe\n\n",
    "half a character": event("delta", '{"text": "\\ud83d"}'),
    "half a character in a log": event("log", '{"message": "\\udc00"}'),
    "a text for a number": event("delta", {"choice": "0", "text": "x"}),
    "an unknown key": event("delta", {"txt": "x"}),
    "a huge number": event("delta", '{"choice": 1' + "0" * 5000 + "}"),
    "an empty envelope": event("result", {}),
    "no outputs": changed(outputs=None),
    "an output that is none": changed(outputs=[5]),
    "an output without a value": changed(outputs=[{k: v for k, v in OUTPUT.items() if k != "text"}]),
    "an output with two values": changed(outputs=[{**OUTPUT, "json": 1}]),
    "an output with a number for text": changed(outputs=[{**OUTPUT, "text": 5}]),
    "base64 that is none": changed(outputs=[{**{k: v for k, v in OUTPUT.items() if k != "text"}, "base64": "!"}]),
    "infinity in an output": changed(outputs=[{**{k: v for k, v in OUTPUT.items() if k != "text"}, "json": 1e999}]),
    "usage in words": changed(usage={"input_tokens": "many"}),
    "an error without a code": changed(status="error", error={"message": "x"}),
    "an error with a code of nobody's": changed(
        status="error", error={"code": "ERR_NONE", "message": "x", "hint": None, "retryable": False}
    ),
    "success with an error": changed(error={"code": "ERR_USAGE", "message": "x", "hint": None, "retryable": False}),
    "another schema": changed(schema="theoryctl.run/v9"),
    "a mode of nobody's": changed(mode="odd"),
    "meta that is none": changed(meta=[]),
}

#: Answers that are no events at all.
ANSWERS: dict[str, bytes] = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "binary": bytes(range(256)) * 40,
    "TLS": b"\x15\x03\x01\x00\x02\x02\x46",
    "a web page": http(b"<html>hello</html>", kind="text/html"),
    "an empty body": http(b""),
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "long headers": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 1000 + b"\r\n",
    "an odd length": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nx",
    "odd chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n",
    "an odd status": b"HTTP/1.1 abc OK\r\n\r\n",
    "a refusal in words": http(b"no", "403 Forbidden"),
    "a refusal that is an array": http(b"[]", "400 Bad Request"),
    "a refusal that is deep": http(DEEP.encode(), "400 Bad Request"),
    "a refusal with odd fields": http(b'{"error": {"code": "ERR_USAGE", "message": 5, "hint": []}}', "400 Bad Request"),
    "a refusal with half a character": http(
        b'{"error": {"code": "ERR_USAGE", "message": "\\ud800", "hint": null, "retryable": false}}', "400 Bad Request"
    ),
    "a long refusal": http(b"x" * (8 << 20), "500 Internal Server Error"),
}


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_that_is_none_is_a_bad_response(name: str) -> None:
    with pytest.raises(ProviderError) as caught:
        list(read_events(EVENTS[name].splitlines(keepends=True)))
    assert caught.value.code == "ERR_BAD_RESPONSE"
    caught.value.message.encode()


@pytest.mark.parametrize("name", [*ANSWERS, *EVENTS])
def test_a_foreign_answer_to_a_run_is_an_error_with_a_code(foreign: Foreign, name: str) -> None:
    foreign.answer = ANSWERS.get(name) or (http(EVENTS[name]) if name in EVENTS else b"")
    session = InstanceSession(foreign.instance, "theoryctl local start", lambda _: True)
    with pytest.raises(ProviderError) as caught:
        list(session.ask(REQUEST))
    session.close()
    assert caught.value.code in ("ERR_BAD_RESPONSE", "ERR_NOT_RUNNING", "ERR_TIMEOUT")
    caught.value.message.encode()


BODIES = [b"[]", b"5", b"null", DEEP.encode(), b"\xff", b'{"ready": 1}', b'{"ready": true, "ref": []}']


@pytest.mark.parametrize("answer", [*ANSWERS.values(), *map(http, BODIES)], ids=lambda answer: repr(answer[:40]))
def test_a_foreign_answer_is_no_health(foreign: Foreign, answer: bytes) -> None:
    foreign.answer, foreign.healthy = answer, False
    found = connection.health(foreign.instance, lambda _: True)
    assert found is None or not found.ready


RECORDING = {"schema": "theoryctl.recording/v1", "key": f"sha256:{'0' * 64}", "operation": "chat", "model": "a/b"}


@pytest.mark.parametrize(
    "change",
    [
        {"key": "sha256:../../../../../../tmp/x"},
        {"events": [{"output": {"name": "a", "media_type": "b", "base64": 5}}]},
        {"events": [{"delta": {"text": 5}}]},
        {"events": {}},
        {"inputs": []},
    ],
    ids=str,
)
def test_foreign_recordings_are_a_bad_response(foreign: Foreign, change: dict[str, Any]) -> None:
    recording = {**RECORDING, "inputs": {}, "events": [], **change}
    documents: list[Any] = [{"recordings": [recording], "upto": 1}, [], {"recordings": 5, "upto": 1}]
    for document in documents:
        foreign.answer = http(json.dumps(document).encode())
        with pytest.raises(ProviderError) as caught:
            client.recordings(foreign.instance, lambda _: True)
        assert caught.value.code == "ERR_BAD_RESPONSE"


def test_an_answer_of_another_version_is_read_and_what_it_does_not_say_is_null() -> None:
    old = {**ENVELOPE, "usage": {"input_tokens": 3, "output_tokens": 4, "cost_usd": None}, "more": {"x": 1}}
    lines = (b": a comment\n", *event("result", old).splitlines(keepends=True))
    (result,) = read_events(lines)
    assert isinstance(result, Result)
    assert (result.envelope["usage"]["input_tokens"], result.envelope["usage"]["reasoning_tokens"]) == (3, None)


def test_a_comment_between_the_lines_of_an_event_is_passed_over() -> None:
    (result,) = read_events([b"event: result\n", b": still working\n", *changed().splitlines(keepends=True)[1:]])
    assert isinstance(result, Result)


def test_an_answer_without_an_end_is_a_bad_response(foreign: Foreign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_MOST", 1 << 20)
    foreign.answer = b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * (8 << 20)
    with pytest.raises(ProviderError, match="more than 1 MiB") as raised:
        client.requests(foreign.instance, lambda _: True)
    assert raised.value.code == "ERR_BAD_RESPONSE"
