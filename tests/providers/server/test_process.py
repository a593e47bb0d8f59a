"""The HTTP server, as the process it is: raw requests to it, and what it leaves in its log."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.conftest import ROOT
from tests.real.vendor import Vendor, stalls_at_once
from theoryctl_providers import run
from theoryctl_providers.contract import Limits, ProviderConfig, Script, SecretRule, ServerConfig

ENVELOPE = json.loads((ROOT / "docs" / "envelope.schema.json").read_text())
TOKEN = "token-of-this-start-0123456789"
CANARY = "sk-canary-0123456789abcdef"
ASK = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}]}
BODY = json.dumps({"inputs": ASK}).encode()
CONFIG = ServerConfig(provider=ProviderConfig(provider="litellm", ref="llm/litellm@1", runtime="process"), token=TOKEN)


@dataclass
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.document["error"]


@dataclass
class Server:
    """A started server process."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def ask(self, method: str, path: str, body: Any = None, *, token: str | None = TOKEN, **headers: str) -> Answer:
        """One request on a connection of its own; header names are written with `_` for `-`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, path, body if isinstance(body, (bytes, type(None))) else json.dumps(body), sent)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())

    def run(self, document: Any = None, **options: Any) -> Answer:
        return self.ask("POST", "/v1/run", {"inputs": ASK} if document is None else document, **options)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=15)


Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def begin(config: ServerConfig = CONFIG, *, env: Mapping[str, str] | None = None) -> Server:
        reader, writer = os.pipe()
        log = tmp_path / f"{len(started)}.log"
        command = [sys.executable, "-m", "theoryctl_providers", "--port", "0", "--ready-fd", str(writer)]
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stderr=stderr, pass_fds=[writer], env={**os.environ, **(env or {})}
            )
        started.append(process)
        os.close(writer)
        assert process.stdin is not None
        process.stdin.write(config.dump())
        process.stdin.close()
        with os.fdopen(reader) as ready:
            port = ready.readline()
        assert port, log.read_text()
        return Server(process, int(port), log)

    yield begin
    for process in started:
        process.kill()
        process.wait()


def limited(**limits: Any) -> ServerConfig:
    return replace(CONFIG, limits=Limits(**limits))


# -- what it answers --


def test_health_needs_no_token_and_says_who_is_there(start: Start) -> None:
    health = start().ask("GET", "/healthz", token=None).document
    assert (health["ready"], health["ref"], health["provider"]) == (True, "llm/litellm@1", "litellm")
    assert health["version"] and health["uptime_s"] >= 0


def test_a_run_answers_with_the_same_outputs_as_the_embedded_provider(start: Start) -> None:
    answer = start().run()
    jsonschema_rs.validate(ENVELOPE, answer.document)
    here = run(ASK, provider="litellm")
    assert (answer.status, answer.document["runtime"]) == (200, "process")
    assert (answer.document["outputs"], answer.document["usage"]) == (here["outputs"], here["usage"])


def test_every_golden_request_gives_the_same_bytes_over_http(start: Start) -> None:
    server = start()
    for case in json.loads((ROOT / "tests/providers/golden_mock.json").read_text()):
        if not case["attachments"]:
            answer = server.run({"inputs": case["inputs"]})
            assert {key: answer.document[key] for key in ("outputs", "usage")} == case["expected"], case["name"]


def test_a_stream_gives_the_events_and_ends_with_the_same_envelope(start: Start) -> None:
    server = start()
    stream = server.run(accept="text/event-stream")
    assert stream.headers["content-type"].startswith("text/event-stream")
    blocks = [
        dict(line.split(": ", 1) for line in block.split("\n")) for block in stream.body.decode().split("\n\n") if block
    ]
    assert [block["event"] for block in blocks][:2] == ["started", "delta"]
    assert blocks[-1]["event"] == "result"
    text = "".join(json.loads(block["data"])["text"] for block in blocks if block["event"] == "delta")
    envelope = json.loads(blocks[-1]["data"])
    assert envelope["outputs"] == server.run().document["outputs"]
    assert text == envelope["outputs"][0]["text"]


@pytest.mark.parametrize(
    ("document", "status", "code"),
    [
        ({"inputs": {"messages": "x"}}, 400, "ERR_INPUTS"),
        ({"inputs": {**ASK, "mode": "odd"}}, 400, "ERR_INPUTS"),
        ({"inputs": {**ASK, "logprobs": True}}, 400, "ERR_UNSUPPORTED_PARAM"),
        ({"inputs": {**ASK, "messages": [{"role": "user", "content": {"$attach": "a"}}]}}, 400, "ERR_ATTACHMENT"),
    ],
)
def test_a_failed_run_is_an_envelope_with_the_status_of_its_code(
    start: Start, document: Any, status: int, code: str
) -> None:
    answer = start().run(document)
    jsonschema_rs.validate(ENVELOPE, answer.document)
    assert (answer.status, answer.error["code"]) == (status, code)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"inputs": 1}', b'{"inputs": {}, "inputs": {}}', b"\xff"], ids=repr
)
def test_a_body_that_is_no_call_is_refused(start: Start, body: bytes) -> None:
    answer = start().run(body)
    assert (answer.status, answer.error["code"], answer.document["schema"]) == (400, "ERR_INPUTS", "theoryctl.error/v1")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nope", 404), ("GET", "/v1/run", 405), ("POST", "/healthz", 405)]
)
def test_what_is_not_there_is_said_as_json(start: Start, method: str, path: str, status: int) -> None:
    answer = start().ask(method, path)
    assert (answer.status, answer.error["code"]) == (status, "ERR_USAGE")


# -- attachments --

BOUNDARY = "b0undary"


def multipart(document: Any, *files: tuple[str, bytes]) -> bytes:
    parts = [("request", json.dumps(document).encode()), *files]
    lines = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in parts
    ]
    return b"".join(lines) + f"--{BOUNDARY}--\r\n".encode()


def entry(name: str, data: bytes) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return {"name": name, "media_type": "image/png", "size": len(data), "digest": digest}


FORM = {"content_type": f"multipart/form-data; boundary={BOUNDARY}"}


def test_attachments_are_streamed_behind_the_document(start: Start) -> None:
    data = os.urandom(300_000)
    document = {"inputs": ASK, "attachments": [entry("image", data)]}
    answer = start().run(multipart(document, ("image", data)), **FORM)
    assert answer.document["meta"]["attachments"] == [entry("image", data)]
    assert "- image: 300000 bytes" in answer.document["outputs"][0]["text"]


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ([("image", b"other")], "ERR_ATTACHMENT"),
        ([], "ERR_ATTACHMENT"),
        ([("image", b"data"), ("more", b"x")], "ERR_ATTACHMENT"),
        ([("image", b"x" * 2000)], "ERR_TOO_LARGE"),
    ],
    ids=["changed", "missing", "unannounced", "too large"],
)
def test_an_attachment_that_is_not_what_the_document_says_is_refused(start: Start, files: Any, code: str) -> None:
    document = {"inputs": ASK, "attachments": [entry("image", b"data")]}
    answer = start(limited(attachment=1000)).run(multipart(document, *files), **FORM)
    assert answer.error["code"] == code


def test_a_form_that_is_broken_or_without_its_document_is_refused(start: Start) -> None:
    server = start()
    for body in (b"", b"--b0undary", b"garbage", multipart({"inputs": ASK})[:-20].replace(b"request", b"other")):
        assert server.run(body, **FORM).status == 400
    assert server.run().status == 200


# -- what it refuses --


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN[:-1], TOKEN + "x"])
def test_every_path_but_health_wants_the_token(start: Start, token: str | None) -> None:
    server = start()
    for method, path in (("POST", "/v1/run"), ("GET", "/nope"), ("GET", "/")):
        answer = server.ask(method, path, token=token)
        assert (answer.status, answer.error["code"]) == (401, "ERR_TOKEN")


def test_a_body_or_headers_too_large_are_refused_and_the_next_request_is_served(start: Start) -> None:
    server = start(limited(body=10_000, headers=5_000))
    big = {"inputs": {"messages": [{"role": "user", "content": "x" * 20_000}]}}
    assert (server.run(big).status, server.run(big).error["code"]) == (413, "ERR_TOO_LARGE")
    assert server.run(x_large="x" * 6_000).status == 431
    assert server.run().status == 200


def test_a_body_that_does_not_come_is_given_up(start: Start) -> None:
    server = start(limited(receive_seconds=0.3))
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=10)) as slow:
        head = f"POST /v1/run HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 99"
        slow.sendall(f"{head}\r\n\r\n{{".encode())
        assert b" 504 " in slow.recv(4096)


def test_headers_that_do_not_come_hold_no_connection(start: Start) -> None:
    server = start()
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=20)) as slow:
        slow.sendall(b"POST /v1/run HTTP/1.1\r\nHost: x\r\n")
        assert slow.recv(100) == b""


def test_a_failure_that_says_when_to_come_again_says_it_in_the_header_too(start: Start) -> None:
    busy = {"fault": {"status": 429, "retry_after": 1.5}}
    script = Script.load({"rules": [{"answers": [busy, {"fault": {"status": 503}}, {"text": "at last"}]}]})
    server = start(replace(CONFIG, provider=replace(CONFIG.provider, script=script)))
    refused, failed, answered = (server.run() for _ in range(3))
    assert (refused.status, refused.error["code"], refused.headers["retry-after"]) == (429, "ERR_RATE_LIMITED", "2")
    assert [(answer.status, "retry-after" in answer.headers) for answer in (failed, answered)] == [
        (503, False),
        (200, False),
    ]


@pytest.mark.parametrize("others", [0, 2], ids=["alone", "among others"])
def test_an_answer_leaves_in_one_piece_and_one_without_a_body_leaves_too(start: Start, others: int) -> None:
    server = start()
    address = ("127.0.0.1", server.port)
    with ExitStack() as stack:
        client, *_ = [stack.enter_context(socket.create_connection(address, timeout=10)) for _ in range(1 + others)]
        for _ in range(30):  # now and then two pieces are read at once
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            head, _, body = client.recv(4096).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ") and json.loads(body)["ready"]
        # The request behind it waits for its body: the answer to the first must not.
        post = f"POST /v1/run HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(BODY)}\r\n"
        client.sendall(f"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n{post}\r\n".encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        client.sendall(BODY)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        # Told to go on, it goes on: that is no head of an answer.
        client.sendall(f"{post}Expect: 100-continue\r\n\r\n".encode())
        assert client.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(BODY)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("others", [0, 2], ids=["alone", "among others"])
def test_a_client_that_has_no_more_to_ask_gets_its_answer(start: Start, others: int) -> None:
    server = start()
    head = f"POST /v1/run HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(BODY)}\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(others):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        for _ in range(50):
            with closing(socket.create_connection(("127.0.0.1", server.port), timeout=10)) as client:
                client.sendall(head.encode() + BODY)
                client.shutdown(socket.SHUT_WR)
                assert client.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_clients_that_vanish_at_any_moment_leave_nothing_in_the_log_but_their_lines(start: Start) -> None:
    server = start()
    head = f"POST /v1/run HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(BODY)}\r\n\r\n"
    reset = struct.pack("ii", 1, 0)  # closed with it, a connection is cut and not ended

    def vanish(number: int) -> None:
        with closing(socket.create_connection(("127.0.0.1", server.port), timeout=10)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            client.sendall((head.encode() + BODY) * (1 + number % 3))
            time.sleep(0.0005 * (number % 4 == 3))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(vanish, range(2000)))
    assert server.run().status == 200
    assert all(line.startswith("{") for line in server.log.read_text().splitlines())


def test_more_calls_than_it_takes_are_refused_with_retry_after_and_none_is_lost(start: Start) -> None:
    with Vendor(stalls_at_once) as vendor:
        server = start(real(vendor, limits=Limits(concurrency=2)))
        with ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(server.run) for _ in range(2)]
            while len(vendor.requests) < 2:
                time.sleep(0.01)
            refused = server.run()
            assert (refused.status, refused.error["code"]) == (429, "ERR_OVERLOADED")
            assert refused.headers["retry-after"] == "1"
            assert server.ask("GET", "/healthz", token=None).status == 200
            server.process.kill()
        assert all(isinstance(call.exception(), http.client.RemoteDisconnected) for call in waiting)


def test_five_hundred_requests_at_64_connections_are_all_answered_or_refused(start: Start) -> None:
    server = start(limited(concurrency=8))
    with ThreadPoolExecutor(64) as pool:
        statuses = list(pool.map(lambda _: server.run().status, range(500)))
    assert len(statuses) == 500
    assert set(statuses) <= {200, 429}


# -- real mode --


def real(vendor: Vendor, **more: Any) -> ServerConfig:
    secrets = {"OPENAI_API_KEY": CANARY, "LLM_API_BASE": f"{vendor.url}/v1"}
    rules = (SecretRule(name="OPENAI_API_KEY", models=("openai/*",)), SecretRule(name="LLM_API_BASE", required=False))
    provider = ProviderConfig(provider="litellm", runtime="process", mode="real", secrets=secrets, secret_rules=rules)
    return replace(CONFIG, provider=replace(provider, timeout=20.0), **more)


def test_a_real_instance_calls_the_vendor_and_its_secrets_are_nowhere_to_be_seen(start: Start) -> None:
    with Vendor() as vendor:
        server = start(real(vendor))
        answer = server.run()
        assert (answer.status, answer.document["outputs"][0]["text"]) == (200, "Hello there!")
        assert vendor.requests[0].headers["authorization"] == f"Bearer {CANARY}"
        seen = [Path(f"/proc/{server.process.pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
    server.stop()
    seen += [answer.body, server.log.read_bytes()]
    assert [text for text in seen if CANARY.encode() in text or TOKEN.encode() in text] == []


def test_a_client_that_hangs_up_cancels_its_call(start: Start) -> None:
    with Vendor(stalls_at_once) as vendor:
        server = start(real(vendor))
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("POST", "/v1/run", json.dumps({"inputs": ASK}), {"authorization": f"Bearer {TOKEN}"})
        while not vendor.requests:
            time.sleep(0.01)
        connection.close()
        end = time.monotonic() + 10
        while not any(line.get("status") == 499 for line in server.lines()):
            assert time.monotonic() < end, "the call goes on"
            time.sleep(0.02)


def test_a_mock_instance_never_imports_litellm(start: Start) -> None:
    server = start()
    server.run()
    maps = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "tiktoken" not in maps and "tokenizers" not in maps


# -- its life --


def test_empty_or_broken_standard_input_is_no_server() -> None:
    command = [sys.executable, "-m", "theoryctl_providers", "--port", "0"]
    for text in (
        b"",
        b"{",
        b"{}",
        CONFIG.dump().replace(TOKEN.encode(), b"short"),
        CONFIG.dump().replace(b'"body"', b'"bdy"'),
    ):
        done = subprocess.run(command, input=text, capture_output=True, timeout=30)
        assert done.returncode == 2
        assert json.loads(done.stderr)["code"] == "ERR_INPUTS"
        assert TOKEN.encode() not in done.stderr


def test_a_port_that_is_taken_is_said(start: Start) -> None:
    command = [sys.executable, "-m", "theoryctl_providers", "--port", str(start().port)]
    done = subprocess.run(command, input=CONFIG.dump(), capture_output=True, timeout=30)
    assert (done.returncode, json.loads(done.stderr)["code"]) == (2, "ERR_NOT_RUNNING")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_exits_with_0(start: Start, sent: signal.Signals) -> None:
    server = start()
    server.process.send_signal(sent)
    assert server.process.wait(timeout=10) == 0


def test_told_to_stop_it_finishes_what_is_in_flight_and_refuses_what_is_new(start: Start) -> None:
    with Vendor(stalls_at_once) as vendor:
        config = real(vendor)
        server = start(replace(config, provider=replace(config.provider, timeout=4.0)))
        with ThreadPoolExecutor(1) as pool:
            inside = pool.submit(server.run)
            while not vendor.requests and not inside.done():
                time.sleep(0.01)
            server.process.terminate()
            time.sleep(0.2)
            late = server.run()
            assert (late.status, late.error["code"]) == (503, "ERR_NOT_RUNNING")
            assert inside.result().error["code"] == "ERR_TIMEOUT"
        assert server.process.wait(timeout=10) == 0


def test_its_log_has_one_json_line_a_request_and_never_what_was_said(start: Start) -> None:
    server = start()
    envelope = server.run({"inputs": {"messages": [{"role": "user", "content": "my-private-words"}]}}).document
    server.run(b"{")
    server.stop()
    (first, second) = server.lines()
    assert (first["run_id"], first["status"]) == (envelope["run_id"], 200)
    assert first["output_tokens"] == envelope["usage"]["output_tokens"]
    assert first["duration_ms"] > 0
    assert second["status"] == 400
    assert "private" not in server.log.read_text()
