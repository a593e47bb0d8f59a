"""The seam of wires: a dialect of the test's own is served beside the others, with its own credential and errors."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest
from starlette.types import Receive, Scope

from tests.providers.started import ASK, CONFIG, TOKEN, Answer, serving
from theoryctl_providers import run
from theoryctl_providers.contract import Delta, Event, Result
from theoryctl_providers.contract.wire import ServerConfig
from theoryctl_providers.server.app import DIALECTS
from theoryctl_providers.wires.dialect import Dialect, HeaderCredential
from theoryctl_providers.wires.exchange import Answering, Chunks, Exchange, json_object
from theoryctl_providers.wires.failure import Failure
from theoryctl_providers.wires.reply import Whole


class Say(Exchange):
    """`{"say": …, "bits": …}` in; the text out, or in pieces, a line of JSON each."""

    kind = b"application/x-ndjson"

    def __init__(self, voice: str, body: Mapping[str, Any]) -> None:
        self.inputs = {"model": voice, "messages": [{"role": "user", "content": body.get("say")}]}
        self.streamed = body.get("bits", False)
        self.chunks = Lines() if self.streamed else None
        self.options = {"vendor": "acme"}

    @property
    def params(self) -> Mapping[str, str]:
        return {"messages[0].content": "say"}

    def whole(self, result: Result) -> bytes:
        assert result.answer is not None
        return json.dumps({"said": result.answer.choices[0].text}).encode()


class Lines(Chunks):
    def piece(self, event: Event) -> bytes:
        return json.dumps({"bit": event.text}).encode() + b"\n" if isinstance(event, Delta) else b""

    def end(self) -> bytes:
        return b'{"bit": null}\n'


class Parrot(Dialect):
    """A vendor that nobody has heard of."""

    name = "Parrot"
    example = "POST /parrot/NAME:say"
    prefixes = ("/parrot/", "/v1/parrot/")
    credential = HeaderCredential("the key in x-parrot-key", b"x-parrot-key")
    id_header = b"parrot-id"

    def __init__(self, config: ServerConfig) -> None:
        async def read(scope: Scope, receive: Receive) -> Exchange:
            return Say(scope["path_params"]["voice"], await json_object(receive, config.limits))

        self.routes = {("POST", "/parrot/{voice}:say"): Answering(self, config, read)}

    def failure(self, failure: Failure) -> Whole:
        told = {"squawk": failure.info["message"], "at": failure.param}
        return Whole(json.dumps(told).encode(), failure.status or 418, [(b"parrot-code", failure.code.encode())])


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server that speaks it too."""
    with serving(CONFIG, (*DIALECTS, Parrot)) as (port, _):
        yield port


def ask(port: int, path: str, body: Any = None, method: str = "POST", **headers: str) -> Answer:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request(method, path, json.dumps(body), sent)
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())


def say(port: int, body: Any, path: str = "/parrot/grey/one:say") -> Answer:
    return ask(port, path, body, x_parrot_key=TOKEN)


def test_its_answers_are_those_of_the_one_path_whole_and_in_pieces(port: int) -> None:
    text = run({"model": "grey/one", "messages": [{"role": "user", "content": "hello"}]})["outputs"][0]["text"]
    whole, pieces = say(port, {"say": "hello"}), say(port, {"say": "hello", "bits": True})
    assert whole.document == {"said": text}
    assert whole.headers["parrot-id"].startswith("run_")
    lines = [json.loads(line)["bit"] for line in pieces.body.splitlines()]
    assert (pieces.headers["content-type"], "".join(lines[:-1]), lines[-1]) == ("application/x-ndjson", text, None)


def test_a_model_without_a_vendor_is_of_the_wires_own(port: int) -> None:
    assert "from acme/grey to" in say(port, {"say": "hello"}, "/parrot/grey:say").document["said"]


def test_its_failures_have_its_shape_and_name_what_the_request_names(port: int) -> None:
    answer = say(port, {"say": 5})
    assert (answer.status, answer.headers["parrot-code"], answer.document["at"]) == (418, "ERR_INPUTS", "say")
    assert "$.say: expected a string or an array or an object or null, got 5" in answer.document["squawk"]
    assert say(port, []).document["squawk"] == "the body: expected an object"


def test_its_credential_stands_where_it_says_and_nowhere_else(port: int) -> None:
    body = {"say": "hello"}
    for headers in ({}, {"authorization": f"Bearer {TOKEN}"}, {"x_parrot_key": f"Bearer {TOKEN}"}):
        refused = ask(port, "/parrot/grey:say", body, **headers)
        assert (refused.status, refused.document["squawk"]) == (418, "the key in x-parrot-key is missing or wrong")
    others = [ask(port, path, {"inputs": ASK}, x_parrot_key=TOKEN) for path in ("/v1/run", "/v1/chat/completions")]
    assert [(other.status, other.error["code"]) for other in others] == [(401, "ERR_TOKEN"), (401, "invalid_api_key")]


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/parrot/nothing", None),
        ("/v1/parrot/nothing", None),
        ("/v1/nothing", "unknown_url"),
        ("/nothing", "ERR_USAGE"),
    ],
)
def test_an_unknown_path_is_refused_by_the_dialect_it_is_below_with_a_hint_at_all(
    port: int, path: str, error: str | None
) -> None:
    answer = ask(port, path, authorization=f"Bearer {TOKEN}", x_parrot_key=TOKEN)
    assert answer.status == 404
    if error is None:
        assert answer.document["squawk"] == f"there is no POST {path}"
    else:
        assert answer.error["code"] == error
        for known in ("POST /v1/run", "POST /v1/chat/completions", "POST /parrot/NAME:say"):
            assert known in answer.body.decode()


def test_a_method_that_a_path_does_not_have_is_a_405_of_its_dialect(port: int) -> None:
    answer = ask(port, "/parrot/grey:say", method="GET", x_parrot_key=TOKEN)
    assert (answer.status, answer.headers["parrot-code"]) == (405, "ERR_USAGE")


def test_our_recordings_are_refused_in_our_shape(port: int) -> None:
    for path in ("/v1/recordings", "/v1/run"):
        assert ask(port, path, method="GET").document["schema"] == "theoryctl.error/v1"
