"""`GET /v1/requests`: what a mock was asked and who answered, without credentials and within bounds."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Receive, Scope

from tests.providers.started import (
    ASK,
    BOUNDARY,
    CANARY,
    CONFIG,
    TOKEN,
    Answer,
    Server,
    Start,
    entry,
    multipart,
    serving,
)
from tests.real.vendor import Vendor, stalls_at_once
from tests.waiting import until
from theoryctl_providers.asgi.journal import LONGEST, MOST, MOST_BYTES
from theoryctl_providers.contract import ProviderConfig, ProviderError, Result, Script, SecretRule, ServerConfig
from theoryctl_providers.lookup import get_llm_provider
from theoryctl_providers.wires.exchange import Answering, Exchange
from theoryctl_providers.wires.run.dialect import RunDialect

PLAIN = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}
CHAT = "/v1/chat/completions"
#: It shows what was refused before its mode was known, too.
ALONE = replace(CONFIG, provider=replace(CONFIG.provider, mock_only=True))


@pytest.fixture
def server() -> Iterator[Server]:
    with thread() as server:
        yield server


class thread:
    """A server in a thread, to be asked as one in a process."""

    def __init__(self, config: ServerConfig = ALONE, log: Callable[[str], None] = lambda line: None) -> None:
        self._serving = serving(config, log=log)

    def __enter__(self) -> Server:
        port, _ = self._serving.__enter__()
        return Server(None, port, Path())  # type: ignore[arg-type]

    def __exit__(self, *error: Any) -> None:
        self._serving.__exit__(*error)


def provider(**more: Any) -> ServerConfig:
    return replace(CONFIG, provider=replace(CONFIG.provider, **more))


def shown(server: Server) -> list[dict[str, Any]]:
    answer = server.ask("GET", "/v1/requests")
    assert answer.status == 200, answer.body
    assert answer.document["schema"] == "theoryctl.requests/v1"
    requests: list[dict[str, Any]] = answer.document["requests"]
    return requests


def test_it_shows_what_was_asked_over_each_wire_and_who_answered() -> None:
    script = Script.load(
        {"rules": [{"name": "greeting", "when": {"user": {"contains": "Hi"}}, "answers": [{"text": "Hello"}]}]}
    )
    with thread(provider(script=script)) as server:
        server.run()
        server.ask("POST", CHAT, PLAIN)
        message = {**PLAIN, "model": "claude-3-5-haiku-latest", "max_tokens": 9}
        server.ask("POST", "/v1/messages", message, anthropic_version="2023-06-01")
        refused: Answer = server.ask("POST", CHAT, {"model": "gpt-4o-mini"})
        server.ask("GET", "/v1/models")
        run, chat, messages, wrong = shown(server)
    assert [each["number"] for each in (run, chat, messages, wrong)] == [1, 2, 3, 4]
    assert (run["path"], run["status"], run["mode"], run["answered_by"]) == ("/v1/run", 200, "mock", "mock")
    assert run["body"] == {"inputs": ASK} and run["run_id"].startswith("run_")
    assert (chat["path"], chat["model"], chat["answered_by"]) == (CHAT, "openai/gpt-4o-mini", "rule 1 (greeting)")
    assert (messages["path"], messages["body"]) == ("/v1/messages", message)
    assert (wrong["status"], wrong["answered_by"]) == (refused.status, None) == (400, None)
    assert wrong["code"] == "ERR_INPUTS" and wrong["body"] == {"model": "gpt-4o-mini"}
    assert abs(run["time"] - time.time()) < 60


@pytest.mark.parametrize("streamed", [True, False])
def test_it_tells_of_a_call_of_a_tool_that_nobody_offered(streamed: bool) -> None:
    script = Script.load({"rules": [{"answers": [{"tool_calls": [{"name": "get_wether"}]}]}]})
    offered = {"type": "function", "function": {"name": "get_weather"}}
    with thread(provider(script=script)) as server:
        server.ask("POST", CHAT, {**PLAIN, "tools": [offered], "stream": streamed})
        server.ask("POST", CHAT, {"model": "gpt-4o-mini"})
        called, refused = shown(server)
    told = "rule 1 of the script calls get_wether; expected a tool that the request offers, got get_weather"
    assert (called["status"], called["notes"], refused["notes"]) == (200, [told], [])


@pytest.mark.parametrize(
    ("path", "body", "headers", "code"),
    [
        (CHAT, b"{bad", {}, "ERR_INPUTS"),
        (CHAT, b"{}", {"x_theoryctl_mode": "none"}, "ERR_INPUTS"),
        ("/v1/run", b"{bad", {}, "ERR_INPUTS"),
        ("/v1/moderations", b"{bad", {}, "ERR_INPUTS"),
        ("/api/show", b"{bad", {}, "ERR_INPUTS"),
        ("/v1/nowhere", b"{}", {}, "ERR_USAGE"),
        ("/v1/models", b"{}", {}, "ERR_USAGE"),
    ],
)
def test_a_refused_request_has_the_code_of_its_answer_in_the_log_too(
    path: str, body: bytes, headers: dict[str, str], code: str
) -> None:
    lines: list[str] = []
    with thread(log=lines.append) as server:
        answer = server.ask("POST", path, body, **headers)
        (request,) = shown(server)
        until(lambda: len(lines) == 2)
    line = json.loads(lines[0])
    assert answer.status >= 400
    assert (request["status"], request["code"]) == (line["status"], line["code"]) == (answer.status, code)


class Mute(RunDialect):
    """A wire that cannot write any answer."""

    def __init__(self, config: ServerConfig) -> None:
        async def read(scope: Scope, receive: Receive) -> Exchange:
            return Unwritten()

        super().__init__(config)
        self.routes = {("POST", "/mute"): Answering(self, config, read)}


class Unwritten(Exchange):
    inputs = ASK

    def whole(self, result: Result) -> bytes:
        raise ProviderError("ERR_BAD_RESPONSE", "the answer has no such form", hint="ask for another")


def test_an_answer_that_its_wire_cannot_write_is_logged_as_a_failure_with_its_usage() -> None:
    lines: list[str] = []
    with serving(log=lines.append, dialects=(RunDialect, Mute)) as (port, _):
        answer = Server(None, port, Path()).ask("POST", "/mute", {})  # type: ignore[arg-type]
        until(lambda: lines)
    line = json.loads(lines[0])
    assert answer.error["code"] == line["code"] == "ERR_BAD_RESPONSE"
    assert (line["mode"], line["output_tokens"] > 0) == ("mock", True)


def test_a_request_without_the_token_is_neither_kept_nor_shown_the_others(server: Server) -> None:
    assert server.ask("POST", CHAT, PLAIN, token="another").status == 401
    assert server.ask("GET", "/v1/requests", token=None).status == 401
    assert shown(server) == []


def test_a_started_process_shows_them_too(start: Start) -> None:
    server = start()
    server.ask("POST", CHAT, PLAIN)
    assert [each["body"] for each in shown(server)] == [PLAIN]


KEY = "sk-other-9876543210fedcba"
ESCAPED = "".join(f"\\u{ord(letter):04x}" for letter in CANARY)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({**PLAIN, "api_key": KEY, "extra_headers": {"X-Mine": KEY}}),
        json.dumps({**PLAIN, "extra_body": {"headers": {"authorization": f"Bearer {KEY}"}}}),
        json.dumps({**PLAIN, "user": CANARY, "metadata": {CANARY: TOKEN}}),
        json.dumps(PLAIN)[:-1] + f', "user": "{ESCAPED}"}}',
        json.dumps({"api_key": KEY, "headers": {"a": KEY}, "user": CANARY})[:-1],
        json.dumps({"filler": "x", "Api-Key": KEY + "\\"})[:-3],
        json.dumps({"api_key": KEY, "headers": {"a": KEY}, "long": "x" * LONGEST}),
        '{"filler": "' + "x" * (LONGEST - 40) + f'", "api_key": "{KEY}"}}',
    ],
    ids=["members", "nested", "known", "escaped", "not JSON", "broken off", "long", "cut inside"],
)
def test_bodies_are_shown_without_credentials(body: str) -> None:
    secrets = {"OPENAI_API_KEY": CANARY}
    with thread(provider(mock_only=True, secrets=secrets, secret_rules=(SecretRule(name="OPENAI_API_KEY"),))) as server:
        server.ask("POST", CHAT, body.encode())
        text = server.ask("GET", "/v1/requests").body.decode()
    for secret in (KEY, CANARY, TOKEN, KEY[:10]):
        assert secret not in text
    assert len(text) < LONGEST + 2000 and '"status":' in text


def test_the_form_of_a_request_with_files_is_shown_without_credentials(server: Server) -> None:
    document = {"inputs": {**ASK, "api_key": KEY}, "attachments": [entry("a.png", b"\x89PNG")]}
    body = multipart(document, ("a.png", b"\x89PNG"))
    server.ask("POST", "/v1/run", body, content_type=f"multipart/form-data; boundary={BOUNDARY}")
    (kept,) = shown(server)
    assert "Say hello." in kept["body"] and KEY not in kept["body"]


@pytest.mark.parametrize(
    "body", [b'{"a": "\\ud800"}', b'{"a": NaN}', b'{"a": 1e999}', b"\xff\xfe", b"[" * 5000, b'{"a":' * 300, b"9" * 9000]
)
def test_bodies_that_are_no_json_are_shown_as_text(server: Server, body: bytes) -> None:
    server.ask("POST", CHAT, body)
    assert shown(server)[0]["body"] == body.decode(errors="replace")


def test_a_tool_whose_schema_has_a_password_is_shown_as_it_came(server: Server) -> None:
    schema = {"type": "object", "properties": {"password": {"type": "string"}}}
    body = {**PLAIN, "tools": [{"type": "function", "function": {"name": "log_in", "parameters": schema}}]}
    server.ask("POST", CHAT, body)
    assert shown(server)[0]["body"] == body


def test_the_newest_are_kept_and_the_others_counted(server: Server) -> None:
    ask_often(server, MOST + 3)
    document = server.ask("GET", "/v1/requests").document
    assert (len(document["requests"]), document["dropped"]) == (MOST, 3)
    assert [document["requests"][at]["body"]["model"] for at in (0, -1)] == ["3", str(MOST + 2)]


def test_the_bytes_of_bodies_are_bounded(server: Server) -> None:
    most = MOST_BYTES // LONGEST
    for number in range(most + 4):
        server.ask("POST", CHAT, {"model": str(number), "user": "x" * LONGEST})
    document = server.ask("GET", "/v1/requests").document
    assert (len(document["requests"]), document["dropped"]) == (most, 4)
    assert {len(each["body"]) for each in document["requests"]} == {LONGEST}


def head_of(body: bytes, *headers: str) -> bytes:
    lines = (f"POST {CHAT} HTTP/1.1", "Host: x", f"Authorization: Bearer {TOKEN}", *headers)
    return "\r\n".join((*lines, f"Content-Length: {len(body)}", "", "")).encode()


def ask_often(server: Server, number: int) -> None:
    """Ask for models named by numbers, on one connection."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        for model in range(number):
            connection.request("POST", CHAT, json.dumps({"model": str(model)}), {"Authorization": f"Bearer {TOKEN}"})
            connection.getresponse().read()


class Slow:
    """A request whose last byte is still to come."""

    def __init__(self, server: Server, document: Any) -> None:
        body = json.dumps(document).encode()
        head = (
            f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._socket = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        self._socket.sendall(head.encode() + body[:-1])
        self._last = body[-1:]

    def finish(self) -> None:
        self._socket.sendall(self._last)
        with self._socket:
            self._socket.recv(1 << 16)


def test_a_request_that_outlasts_its_entry_takes_no_room_from_others(server: Server) -> None:
    slow = [Slow(server, {"model": "slow", "user": "x" * LONGEST}) for _ in range(MOST_BYTES // LONGEST + 1)]
    while len(shown(server)) < len(slow):
        time.sleep(0.01)
    ask_often(server, MOST)
    for each in slow:
        each.finish()
    ask_often(server, MOST)
    assert len(shown(server)) == MOST


def test_an_instance_that_asks_vendors_shows_none() -> None:
    with thread(provider(mode="real")) as server:
        server.ask("POST", CHAT, b"{}")
        answer = server.ask("GET", "/v1/requests")
    assert (answer.status, answer.error["code"]) == (400, "ERR_UNSUPPORTED_PARAM")


def both(vendor: Vendor) -> ServerConfig:
    """An instance that serves both modes, and has its library loaded before anybody waits for it."""
    get_llm_provider("litellm").prepare("real")
    secrets = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": f"{vendor.url}/v1"}
    rules = (SecretRule(name="OPENAI_API_KEY"), SecretRule(name="OPENAI_BASE_URL", required=False))
    config = ProviderConfig(provider="litellm", runtime="process", secrets=secrets, secret_rules=rules, timeout=20.0)
    return replace(CONFIG, provider=config)


def test_real_requests_to_an_instance_of_both_modes_are_not_shown() -> None:
    with Vendor() as vendor, thread(both(vendor)) as server:
        assert server.ask("POST", CHAT, PLAIN, X_Theoryctl_Mode="real").status == 200
        assert server.run({"inputs": ASK, "mode": "real"}).status == 200
        assert server.ask("POST", CHAT, PLAIN).status == 200
        assert [each["mode"] for each in shown(server)] == ["mock"]
        assert len(vendor.requests) == 2


def test_a_real_request_is_not_shown_while_it_lasts_nor_when_its_client_left() -> None:
    body = json.dumps(PLAIN).encode()
    with Vendor(stalls_at_once) as vendor, thread(both(vendor)) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(head_of(body, "X-Theoryctl-Mode: real") + body)
            while not vendor.requests:
                time.sleep(0.01)
            assert shown(server) == []
        for _ in range(5):
            time.sleep(0.05)
            assert shown(server) == []


def test_what_was_meant_for_a_vendor_is_not_shown_where_it_was_refused() -> None:
    words = {**PLAIN, "mode": "real"}
    with thread(CONFIG) as server:
        assert server.ask("POST", CHAT, words).status == 401
        for body in ({**words, "temperature": "hot"}, {**words, "messages": 3}, b'{"mode": "real", '):
            assert server.ask("POST", CHAT, body).status == 400
        assert server.ask("POST", CHAT, {**PLAIN, "temperature": "hot"}, X_Theoryctl_Mode="real").status == 400
        assert server.run({"inputs": {**ASK, "mode": "real"}}).status == 401
        assert server.run({"inputs": {**ASK, "mode": "real"}, "mode": None, "bogus": 1}).status == 400
        assert server.ask("POST", "/v1/messages", {**PLAIN, "messages": 3}, X_Theoryctl_Mode="real").status == 400
        assert server.ask("POST", "/v1/messages", {**PLAIN, "messages": 3}).status == 400
        assert [each["path"] for each in shown(server)] == ["/v1/messages"]


def test_a_broken_body_is_shown_where_its_header_says_mock() -> None:
    with thread(CONFIG) as server:
        assert server.ask("POST", CHAT, b'{"model": "m", ', X_Theoryctl_Mode="mock").status == 400
        assert server.ask("POST", CHAT, b'{"model": "m", ').status == 400
        assert len(shown(server)) == 1


def test_where_mocks_alone_are_served_all_that_was_refused_is_shown() -> None:
    with thread() as server:
        for body in ({**PLAIN, "mode": "real"}, b"{"):
            assert server.ask("POST", CHAT, body).status == 400
        assert len(shown(server)) == 2
