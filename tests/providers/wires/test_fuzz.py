"""The HTTP surface under generated requests: no 500, nothing that is not JSON, and no envelope off its schema.

In the suite for half a minute, from the same beginning each time; `make fuzz` tries others for ten minutes, or
THEORYCTL_FUZZ_SECONDS.
"""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable, Iterator
from itertools import count, takewhile
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, example, given, seed, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.providers.started import ASK, BOUNDARY, TOKEN, Start, entry, multipart
from tests.wires.bodies import BODIES as RIGHT

TOLD = os.environ.get("THEORYCTL_FUZZ_SECONDS")
SECONDS = float(TOLD or 30)
#: Requests of a round, and the rounds that are tried however long they take.
EXAMPLES, ROUNDS = 350, 2

ENVELOPE = jsonschema_rs.Draft202012Validator(json.loads((ROOT / "docs/envelope.schema.json").read_text()))
REQUEST = jsonschema_rs.Draft202012Validator(json.loads((ROOT / "docs/run.schema.json").read_text()))

# -- what is asked --

_TEXT = st.text(max_size=12) | st.sampled_from(
    ["", "\r\n", "\x1b[31m", "🦜", "mock", "real", "user", "a\x00b", "x" * 300]
)
_NUMBER = st.one_of(
    st.integers(-3, 3), st.floats(allow_nan=False), st.sampled_from([10**309, 2**63, -(10**30), 1e-320])
)
_JSON = st.recursive(
    st.none() | st.booleans() | _NUMBER | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
_MESSAGES = st.lists(
    st.sampled_from(
        [
            {"role": "user", "content": "Say hello."},
            {
                "role": "user",
                "content": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "x"}}],
            },
            {"role": "assistant", "content": None, "tool_calls": [_CALL]},
            {"role": "tool", "tool_call_id": "1", "content": "4"},
            {"role": "system", "content": ""},
            {"role": "user", "content": {"$attach": "a"}},
        ]
    ),
    max_size=3,
)
_TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"n": {}}}}}
_CHAT = st.fixed_dictionaries(
    {"messages": _MESSAGES},
    optional={
        "model": st.sampled_from(["openai/gpt-4o-mini", "gpt-4o", "opnai/x", ""]),
        "n": st.integers(1, 3),
        "stop": st.just(["a"]),
        "max_tokens": st.integers(1, 5),
        "tools": st.just([_TOOL]),
        "tool_choice": st.sampled_from(["auto", "required", "f", {"type": "function", "function": {"name": "f"}}]),
        "response_format": st.sampled_from(
            [
                {"type": "json_object"},
                {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "array"}}},
            ]
        ),
        "stream": st.booleans(),
        "stream_options": st.just({"include_usage": True}),
        "extra_body": _JSON,
        "logprobs": st.booleans(),
    },
)
_RUN = st.fixed_dictionaries(
    {"inputs": _CHAT},
    optional={
        "mode": st.sampled_from(["mock", "odd", None]),
        "timeout": st.sampled_from([1, 0.5, None]),
        "run_id": st.sampled_from([f"run_{'0' * 32}", f"run_{'0' * 32}\n", None]),
        "attachments": st.sampled_from([[], None, [entry("a", b"x")]]),
    },
)
_RESPONSES = st.fixed_dictionaries(
    {"input": _TEXT | st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": _TEXT | _JSON}), max_size=2)},
    optional={
        "instructions": _TEXT,
        "stream": st.booleans(),
        "tools": _JSON,
        "text": _JSON,
        "model": st.just("gpt-4o"),
    },
)
_EMBEDDINGS = st.fixed_dictionaries(
    {"input": _TEXT | st.lists(_TEXT, max_size=2)}, optional={"dimensions": st.integers(1, 4), "encoding_format": _TEXT}
)

#: Bodies of each path, right as they are for the most part.
BODIES = (
    ("/v1/run", _RUN),
    ("/v1/chat/completions", _CHAT),
    ("/v1/responses", _RESPONSES),
    ("/v1/embeddings", _EMBEDDINGS),
    *((path, st.just(body)) for path, body in RIGHT),
)


@st.composite
def changed(draw: Callable[[Any], Any], bodies: st.SearchStrategy[Any]) -> Any:
    """A body of which some part became another, has another key, or is missing."""
    body = draw(bodies)
    for _ in range(draw(st.integers(0, 2))):
        body = _replaced(body, draw)
    return body


def _replaced(value: Any, draw: Callable[[Any], Any]) -> Any:
    places = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    if not places or draw(st.integers(0, 3)) == 0:
        return draw(_JSON)
    place = draw(st.sampled_from(places))
    copy = value.copy()
    if isinstance(copy, dict) and draw(st.integers(0, 4)) == 0:
        copy[draw(_TEXT)] = copy.pop(place)
    else:
        copy[place] = _replaced(copy[place], draw)
    return copy


@st.composite
def posts(draw: Callable[[Any], Any]) -> tuple[str, str, bytes, dict[str, str]]:
    """Method, path, body and headers of a request with a body."""
    path, bodies = draw(st.sampled_from([*BODIES, *BODIES[:4], *BODIES[:1] * 4]))
    document = draw(changed(bodies))
    headers = draw(st.fixed_dictionaries({}, optional={"accept": st.just("text/event-stream")}))
    if draw(st.integers(0, 7)) == 0:
        headers["x-theoryctl-mode"] = draw(st.sampled_from(["mock", "MOCK ", "odd", ""]))
    if path == "/v1/run" and draw(st.integers(0, 4)) == 0:
        headers["content-type"] = f"multipart/form-data; boundary={BOUNDARY}"
        files = draw(st.lists(st.tuples(st.sampled_from(["a", "b", 'a"', ""]), st.binary(max_size=3)), max_size=2))
        return "POST", path, _cut(draw, multipart(document, *files)), headers
    return "POST", path, _cut(draw, json.dumps(document).encode()), headers


def _cut(draw: Callable[[Any], Any], data: bytes) -> bytes:
    """The data, and now and then a piece of it, or something else."""
    return draw(st.binary(max_size=20) | st.just(data[: len(data) // 2])) if draw(st.integers(0, 9)) == 0 else data


_LOOKS: st.SearchStrategy[tuple[str, str, bytes, dict[str, str]]] = st.tuples(
    st.sampled_from(["GET", "DELETE", "PUT", "HEAD", "OPTIONS", "POST"]),
    st.sampled_from(["/healthz", "/v1/recordings", "/v1/recordings?upto=", "/v1/models", "/v1/models/", "/", "/v1/%ff"])
    .flatmap(lambda path: st.text("0123456789.~-_é%2F/", max_size=9).map(lambda more: path + more))
    .map(lambda path: path.encode("ascii", "ignore").decode()),
    st.just(b""),
    st.just({}),
)

# -- what is answered --

#: The token where each wire expects it.
KEYS = {"authorization": f"Bearer {TOKEN}", "x-api-key": TOKEN, "api-key": TOKEN, "x-goog-api-key": TOKEN}


class Asked:
    """A server, on a connection that is kept."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.connection = self._connected()

    def __call__(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
        try:
            return self._answer(method, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            # On a connection of its own the next request finds out whether it was this one alone.
            self.connection.close()
            raise AssertionError(f"no answer: {error!r}") from error

    def _answer(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
        self.connection.request(method, path, body, {**KEYS, **headers})
        response = self.connection.getresponse()
        answer = response.status, response.headers.get("content-type", ""), response.read()
        if response.will_close:
            self.connection.close()
            self.connection = self._connected()
        return answer

    def _connected(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)


@pytest.fixture
def asked(start: Start) -> Iterator[Asked]:
    asked = Asked(start().port)
    yield asked
    asked.connection.close()


def check(method: str, path: str, body: bytes, status: int, kind: str, answer: bytes) -> None:
    """Hold an answer against what every answer promises."""
    assert status < 500, (status, answer)
    if method == "HEAD":
        return
    if kind.startswith("text/event-stream"):
        documents = [json.loads(line[6:]) for line in answer.decode().split("\n") if line.startswith("data: {")]
    elif kind == "application/x-ndjson":
        documents = [json.loads(line) for line in answer.splitlines()]
    else:
        assert kind == "application/json", (status, kind, answer)
        documents = [json.loads(answer)]
    for document in documents:
        if isinstance(document, dict) and document.get("schema") == "theoryctl.run/v1":
            ENVELOPE.validate(document)
    if path == "/v1/run" and not kind.startswith("text") and method == "POST":
        _check_run(body, documents[0])


def _check_run(body: bytes, document: Any) -> None:
    """A body that fits the published schema becomes a run; another does not."""
    try:
        request = json.loads(body)
    except ValueError:
        return
    if document["schema"] == "theoryctl.run/v1":
        REQUEST.validate(request)
    elif REQUEST.is_valid(request):
        # What a schema cannot say: parts that are missing, and text that is not Unicode.
        assert document["error"]["code"] in ("ERR_ATTACHMENT", "ERR_INPUTS"), document
        assert request.get("attachments") or "the body: $" not in document["error"]["message"], document


def _fuzz(asked: Asked, turn: int) -> int:
    """Send the generated requests of a round, and return how many."""
    sent = 0

    @settings(max_examples=EXAMPLES, database=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(posts(), posts(), posts(), _LOOKS))
    @example(("POST", "/v1/run", json.dumps({"inputs": ASK, "tiemout": 5}).encode(), {}))
    @example(("POST", "/v1/run", b'{"inputs": {}, "timeout": 1' + b"0" * 309 + b"}", {}))
    @example(("POST", "/v1/run", b'{"inputs": {}, "mode": [1]}', {}))
    @example(("DELETE", f"/v1/recordings?upto={'1' * 4301}", b"", {}))
    def run(request: tuple[str, str, bytes, dict[str, str]]) -> None:
        nonlocal sent
        sent += 1
        method, path, body, headers = request
        check(method, path, body, *asked(method, path, body, headers))

    (run if TOLD else seed(turn)(run))()
    return sent


@pytest.mark.timeout(SECONDS + 300)
def test_no_request_brings_a_500_or_an_answer_off_its_schema(
    asked: Asked, record_property: Callable[[str, object], None]
) -> None:
    end = time.monotonic() + SECONDS
    sent = sum(_fuzz(asked, turn) for turn in takewhile(lambda turn: turn < ROUNDS or time.monotonic() < end, count()))
    record_property("tried", sent)
