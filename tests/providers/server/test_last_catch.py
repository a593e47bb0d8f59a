"""A bug in a wire is answered in the wire's own shape, without secrets, and stands in the log with what was sent."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from tests.providers.started import CANARY, CONFIG, TOKEN
from tests.waiting import until
from theoryctl_providers.contract import Delta, Event, Finish, ProviderError
from theoryctl_providers.contract.calls import ResolvedRequest
from theoryctl_providers.protocol import LLMProvider
from theoryctl_providers.server.app import DIALECTS, make_app
from theoryctl_providers.server.process import Server as HttpServer
from theoryctl_providers.server.process import listen, settings
from theoryctl_providers.wires.dialect import Dialect
from theoryctl_providers.wires.failure import Failure
from theoryctl_providers.wires.reply import Reply, Whole


class Broken(Dialect):
    """A wire with a bug before the answer, one in the middle of it, and an error that nobody in it caught."""

    name = "Broken"
    example = "GET /broken/before"
    prefixes = ("/broken/",)
    open_paths = frozenset(("/broken/unseen",))

    def __init__(self, _config: Any) -> None:
        self.routes = {("GET", f"/broken/{name}"): getattr(self, name) for name in ("before", "midway", "refused")}
        self.routes["GET", "/broken/unseen"] = self.before

    async def before(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError(f"the key is {CANARY}")

    async def midway(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = Reply(scope, send)
        reply.live = True
        await reply.write(b"data: 1\n\n")
        raise RuntimeError(f"the key is {CANARY}")

    async def refused(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise ProviderError("ERR_TIMEOUT", "too late", hint="send it again")

    def failure(self, failure: Failure) -> Whole:
        return Whole(json.dumps({"broke": failure.info}).encode(), failure.status or 500)


class Served(NamedTuple):
    port: int
    lines: list[str]

    def get(self, path: str) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request("GET", path, headers={"authorization": f"Bearer {TOKEN}"})
            response = connection.getresponse()
            try:
                return response.status, response.read()
            except http.client.IncompleteRead as cut:
                return response.status, cut.partial


@pytest.fixture
def served() -> Iterator[Served]:
    lines: list[str] = []
    config = replace(CONFIG, provider=replace(CONFIG.provider, secrets={"OPENAI_API_KEY": CANARY}))
    app = make_app(config, lines.append, (*DIALECTS, Broken))
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield Served(server.servers[0].sockets[0].getsockname()[1], lines)
    server.should_exit = True
    thread.join()


def test_a_bug_is_answered_in_the_shape_of_its_wire_and_logged_with_its_traceback(served: Served) -> None:
    status, body = served.get("/broken/before")
    error = json.loads(body)["broke"]
    assert (status, error["code"], CANARY in error["message"]) == (500, "ERR_INTERNAL", False)
    assert "RuntimeError: the key is [OPENAI_API_KEY]" in error["message"]
    (line,) = map(json.loads, served.lines)
    assert (line["status"], line["code"], CANARY in line["traceback"]) == (500, "ERR_INTERNAL", False)
    assert "in before" in line["traceback"]


def test_a_bug_in_the_middle_of_an_answer_cuts_it_and_is_logged_with_the_status_that_was_sent(served: Served) -> None:
    assert served.get("/broken/midway") == (200, b"data: 1\n\n")
    (line,) = map(json.loads, served.lines)
    assert (line["status"], line["code"]) == (200, "ERR_INTERNAL")


def test_a_bug_on_a_path_without_lines_in_the_log_has_one_all_the_same(served: Served) -> None:
    assert served.get("/broken/unseen")[0] == 500
    assert json.loads(served.lines[0])["code"] == "ERR_INTERNAL"


def test_an_error_that_no_wire_caught_keeps_its_code_and_has_no_traceback(served: Served) -> None:
    _, body = served.get("/broken/refused")
    assert json.loads(body)["broke"]["code"] == "ERR_TIMEOUT"
    assert "traceback" not in json.loads(served.lines[0])


class Waiting(LLMProvider):
    """A provider that says a word and then waits for ever; where the prompt says so, it says none."""

    suspends_in_mock = True
    default_model = "m"
    operations = ("chat",)

    async def stream(self, request: ResolvedRequest) -> AsyncIterator[Event]:
        if "at once" not in str(request.inputs):
            yield Delta(0, "word ")
        await asyncio.Event().wait()
        yield Finish(0, "stop")


@pytest.mark.parametrize(("prompt", "status"), [("word", 200), ("at once", 503)])
def test_a_request_that_the_end_of_a_server_cuts_off_is_told_so_in_one_line(
    prompt: str, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    config = replace(CONFIG, provider=replace(CONFIG.provider, provider=f"{__name__}:Waiting"))
    lines: list[str] = []
    listener = listen("127.0.0.1", 0)
    gate = make_app(config, lines.append)
    server = HttpServer(settings(gate, config.limits), gate, 0.1, None)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    until(lambda: server.started)
    connection = http.client.HTTPConnection("127.0.0.1", listener.getsockname()[1], timeout=20)
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": prompt}]}
    with closing(connection), closing(listener):
        headers = {"authorization": f"Bearer {TOKEN}"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        until(lambda: server.server_state.tasks)
        server.end_soon()
        answer = connection.getresponse()
        with suppress(http.client.IncompleteRead):
            assert "the instance stopped" in json.loads(answer.read())["error"]["message"]
        thread.join()
    (line,) = map(json.loads, lines)
    assert (answer.status, line["status"], line["code"]) == (status, status, "ERR_NOT_RUNNING")
    assert capfd.readouterr().err == ""
