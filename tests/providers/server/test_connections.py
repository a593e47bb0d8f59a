"""Connections of the HTTP server: whom it lets in, clients that stall or vanish, its drain and its log."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.providers.started import ASK, BODY, CONFIG, TOKEN, Server, Start, limited, real, serving
from tests.real.vendor import Vendor, stalls_at_once
from tests.waiting import until
from theoryctl_providers.contract import Limits, Tape
from theoryctl_providers.server.app import make_app
from theoryctl_providers.server.process import Server as HttpServer
from theoryctl_providers.server.process import listen, settings

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


def test_headers_that_do_not_come_hold_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theoryctl_providers.server.protocol.HEADER_SECONDS", 1.0)
    health = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
    with ExitStack() as stack:
        port, _ = stack.enter_context(serving())
        connect = partial(socket.create_connection, ("127.0.0.1", port), timeout=20)
        silent, slow, later, both = (stack.enter_context(closing(connect())) for _ in range(4))
        slow.sendall(b"POST /v1/run HTTP/1.1\r\nHost: x\r\n")
        later.sendall(health + b"\r\n")
        assert later.recv(4096).startswith(b"HTTP/1.1 200 ")
        later.sendall(health)
        both.sendall(health + b"\r\n" + health)
        assert both.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert [client.recv(100) for client in (silent, slow, later, both)] == [b"", b"", b"", b""]


def test_a_client_that_asks_for_nothing_more_is_hung_up_on_in_its_time() -> None:
    listener = listen("127.0.0.1", 0)
    gate = make_app(CONFIG, lambda line: None)
    served = settings(gate, CONFIG.limits)
    served.timeout_keep_alive = 1
    server = HttpServer(served, gate, 1.0, None)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    until(lambda: server.started)
    with closing(listener), closing(socket.create_connection(listener.getsockname(), timeout=10)) as client:
        for _ in range(7):  # longer than its time, in all
            asked = time.monotonic()
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
            time.sleep(0.2)
        assert client.recv(100) == b""
        assert time.monotonic() - asked > 0.9
        server.end_soon()
        thread.join()


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


def test_what_is_no_http_is_refused_and_leaves_nothing_in_the_log(start: Start) -> None:
    server = start()
    for sent in (b"\x16\x03\x01\x02\x00\x01\x00", b"\0" * 50, b"GET /\xff HTTP/1.1\r\n\r\n"):
        with closing(socket.create_connection(("127.0.0.1", server.port), timeout=10)) as client:
            client.sendall(sent)
            assert client.recv(4096).startswith(b"HTTP/1.1 400 ")
    form = {"content_type": "multipart/form-data; boundary=x"}
    assert server.run(b"no form", **form).status == 400
    server.stop()
    assert [line["status"] for line in server.lines()] == [400]


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
            # `local stop` takes the recordings before it ends an instance that is full.
            assert server.ask("GET", "/v1/recordings").status == 200
            assert server.ask("GET", "/v1/recordings", token="x" * 40).status == 401
            server.process.kill()
        assert all(isinstance(call.exception(), http.client.RemoteDisconnected) for call in waiting)


def test_five_hundred_requests_at_64_connections_are_all_answered_or_refused(start: Start) -> None:
    server = start(limited(concurrency=8))
    with ThreadPoolExecutor(64) as pool:
        statuses = list(pool.map(lambda _: server.run().status, range(500)))
    assert len(statuses) == 500
    assert set(statuses) <= {200, 429}


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nope", 404), ("GET", "/v1/run", 405), ("POST", "/healthz", 405)]
)
def test_what_is_not_there_is_said_as_json(start: Start, method: str, path: str, status: int) -> None:
    answer = start().ask(method, path)
    assert (answer.status, answer.error["code"]) == (status, "ERR_USAGE")


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


def test_a_provider_that_cannot_be_closed_is_told_at_the_end(start: Start) -> None:
    server = start(replace(CONFIG, provider=replace(CONFIG.provider, provider="tests.bench.slow:Unclosable")))
    assert server.run().status == 200
    assert server.stop() == 2
    last = server.lines()[-1]
    assert last["code"] == "ERR_PROVIDER" and "Unclosable.aclose failed with OSError" in last["message"]


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_exits_with_0(start: Start, sent: signal.Signals) -> None:
    server = start()
    server.process.send_signal(sent)
    assert server.process.wait(timeout=10) == 0


def test_idle_it_sleeps_until_it_is_told_to_stop(start: Start) -> None:
    pid = start().process.pid
    counts = []
    for _ in range(3):  # in the first it may be busy with its start
        before = wake_ups(pid)
        time.sleep(0.5)
        counts.append(wake_ups(pid) - before)
    assert min(counts) <= 2  # uvicorn's own loop looks ten times a second


def test_idle_it_ends_as_soon_as_it_is_told(start: Start) -> None:
    # uvicorn waits that long for connections to close, though there is none.
    assert min(seconds_to_end(start()) for _ in range(3)) < 0.1


def seconds_to_end(server: Server) -> float:
    told = time.monotonic()
    server.process.terminate()
    assert server.process.wait() == 0  # with a timeout Python looks twenty times a second
    return time.monotonic() - told


def wake_ups(pid: int) -> int:
    (line,) = [each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("voluntary")]
    return int(line.split()[1])


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


def test_a_call_that_ends_after_the_drain_is_answered_only_where_its_recording_is_taken(start: Start) -> None:
    slow = replace(CONFIG.provider, provider="tests.bench.slow:Slow", mode="real", tape=Tape())
    server = start(replace(limited(drain_seconds=0.3), provider=slow))
    body = {"inputs": {"model": "m", "messages": [{"role": "user", "content": "9"}]}}  # tenths of a second
    headers = {"authorization": f"Bearer {TOKEN}", "accept": "text/event-stream"}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    with closing(connection), ThreadPoolExecutor(1) as pool:
        connection.request("POST", "/v1/run", json.dumps(body), headers)
        response = connection.getresponse()
        server.process.terminate()
        taken = pool.submit(taken_until_it_ends, server)
        try:
            answer = response.read()
        except http.client.IncompleteRead as cut:
            answer = cut.partial
        assert server.process.wait(timeout=10) == 0
    assert b'"0 "' in answer
    assert (b'"status": "success"' in answer) == bool(taken.result())


def taken_until_it_ends(server: Server) -> list[Any]:
    """Take the recordings of a server as `local stop` does."""
    taken = []
    with suppress(OSError, http.client.HTTPException):
        while True:
            kept = server.ask("GET", "/v1/recordings").document
            if kept["recordings"]:
                taken += kept["recordings"]
                server.ask("DELETE", f"/v1/recordings?upto={kept['upto']}")
            time.sleep(0.02)
    return taken


def test_its_log_has_one_json_line_a_request_and_never_what_was_said(start: Start) -> None:
    server = start()
    envelope = server.run({"inputs": {"messages": [{"role": "user", "content": "my-private-words"}]}}).document
    server.run(b"{")
    server.stop()
    (first, second) = server.lines()
    assert (first["run_id"], first["status"]) == (envelope["run_id"], 200)
    assert first["output_tokens"] == envelope["usage"]["output_tokens"]
    assert first["duration_ms"] > 0
    assert (second["status"], second["code"]) == (400, "ERR_INPUTS")
    assert "private" not in server.log.read_text()
