"""Behaviour that Ollama's and Gemini's wires have alike: refusals, faults, calls and images."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.providers.started import CONFIG, TOKEN, Answer, limited, serving
from tests.wires.asked import PNG, WEATHER
from tests.wires.conftest import Instance, scripted
from theoryctl_providers.contract import ProviderConfig

#: Google's words for statuses (google/rpc/code.proto).
STATUSES = {401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}


@dataclass(frozen=True)
class Wire:
    """One API: `key` makes the header with its key, `body` a request of a text."""

    name: str
    path: str
    streamed_path: str
    key: Callable[[str], dict[str, str]]
    body: Callable[[str, bool], dict[str, Any]]

    def ask(self, instance: Instance, text: str = "Say hello.", streamed: bool = False, key: str = TOKEN) -> Answer:
        path = self.streamed_path if streamed else self.path
        return instance.ask(path, self.body(text, streamed), **self.key(key))

    def message(self, answer: Answer) -> str:
        """The words of a refusal, which has the shape of the API."""
        (error,) = answer.document.values()
        if self is OLLAMA:
            return str(error)
        assert (set(error), error["code"]) == ({"code", "message", "status"}, answer.status)
        assert error["status"] == STATUSES.get(answer.status, error["status"])
        return str(error["message"])


def _say(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


ANTHROPIC = Wire(
    "anthropic",
    "/v1/messages",
    "/v1/messages",
    lambda key: {"x_api_key": key},
    lambda text, streamed: {"model": "x", "max_tokens": 99, "messages": _say(text), "stream": streamed},
)
OLLAMA = Wire(
    "ollama",
    "/api/chat",
    "/api/chat",
    lambda key: {"authorization": f"Bearer {key}"},
    lambda text, streamed: {"model": "x", "messages": _say(text), "stream": streamed},
)
GEMINI = Wire(
    "gemini",
    "/v1beta/models/x:generateContent",
    "/v1beta/models/x:streamGenerateContent?alt=sse",
    lambda key: {"x_goog_api_key": key},
    lambda text, streamed: {"contents": text},
)

each_wire = pytest.mark.parametrize("wire", [OLLAMA, GEMINI], ids=lambda wire: wire.name)
streamed_or_not = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@each_wire
def test_what_is_too_large_or_comes_too_late_is_refused_in_the_words_of_the_api(wire: Wire) -> None:
    with serving(limited(body=1000)) as (port, _):
        large = wire.ask(Instance(port), "x" * 2000)
    with serving(limited(concurrency=0)) as (port, _):
        full = wire.ask(Instance(port))
    with serving() as (port, gate):
        gate._draining = True
        stopping = wire.ask(Instance(port))
    assert (large.status, bool(wire.message(large))) == (413, True)
    for answer in (full, stopping):
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert wire.message(answer)


@each_wire
def test_a_wrong_key_is_a_401(wire: Wire, instance: Instance) -> None:
    for key in ("of-somebody-else", ""):
        answer = wire.ask(instance, key=key)
        assert (answer.status, "is missing or wrong" in wire.message(answer)) == (401, True)


FAULTS = {
    "rules": [
        {"when": {"user": {"equals": "busy"}}, "answers": [{"fault": {"status": 429, "retry_after": 3}}]},
        {"answers": [
            {"chunks": [{"text": "one "}, {"text": "two", "delay": 0.02}], "fault": {"kind": "disconnect", "after": 1}},
        ]},
    ]
}  # fmt: skip


@each_wire
def test_faults_of_a_script_are_on_the_wire(wire: Wire) -> None:
    with serving(scripted(FAULTS)) as (port, _):
        busy = wire.ask(Instance(port), "busy")
        assert (busy.status, busy.headers["retry-after"], bool(wire.message(busy))) == (429, "3", True)
        with pytest.raises(http.client.IncompleteRead) as caught:
            wire.ask(Instance(port), "cut", streamed=True)
    assert b'"one "' in caught.value.partial


CUT = {"rules": [{"answers": [{"text": "Look.", "tool_calls": [{"name": "get_weather", "arguments": '{"city": "Tu'}],
                               "finish_reason": "length"}]}]}  # fmt: skip


def tool_of(wire: Wire) -> dict[str, Any]:
    """A tool as the API has it, in the key of the body."""
    function = WEATHER["function"]
    about = {"name": function["name"], "description": function["description"]}
    if wire is GEMINI:
        return {"tools": [{"functionDeclarations": [{**about, "parametersJsonSchema": function["parameters"]}]}]}
    return {"tools": [WEATHER if wire is OLLAMA else {**about, "input_schema": function["parameters"]}]}


@streamed_or_not
@each_wire
def test_a_call_that_was_cut_has_no_arguments(wire: Wire, streamed: bool) -> None:
    path = wire.streamed_path if streamed else wire.path
    with serving(scripted(CUT)) as (port, _):
        answer = Instance(port).ask(path, {**wire.body("x", streamed), **tool_of(wire)}, **wire.key(TOKEN))
    assert answer.status == 200, answer.body
    told = answer.body.decode().replace(" ", "")
    assert '"args":{}' in told or '"arguments":{}' in told
    assert "Look." in told and ("MAX_TOKENS" in told or '"done_reason":"length"' in told)


PAINTER = """
from theoryctl_providers import Delta, Finish, LLMProvider, Output

class Painter(LLMProvider):
    default_model = "x/y"

    async def stream(self, request):
        yield Delta(text="Look:")
        yield Output("image-1", "image/png", b"\\x89PNG\\r\\n\\x1a\\n")
        yield Output("image-2", "text/uri-list", "https://a.example/b.png")
        yield Output("notes", "text/plain", "no image")
        yield Finish()
"""


@streamed_or_not
@pytest.mark.parametrize("wire", [ANTHROPIC, OLLAMA, GEMINI], ids=lambda wire: wire.name)
def test_images_come_as_bytes_and_as_addresses(
    wire: Wire, streamed: bool, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "painter_of_wires.py").write_text(PAINTER)
    monkeypatch.syspath_prepend(tmp_path)
    provider = ProviderConfig(provider="painter_of_wires:Painter", ref="a/b@1", input_schema={})
    with serving(replace(CONFIG, provider=provider)) as (port, _):
        answer = wire.ask(Instance(port), streamed=streamed)
    told = answer.body.decode()
    assert answer.status == 200, told
    assert json.dumps(base64.b64encode(base64.b64decode(PNG.partition(",")[2])).decode()) in told
    assert "https://a.example/b.png" in told
    assert told.index("Look:") < told.index("https://a.example/b.png")
    assert "no image" not in told


STOPPER = """
from theoryctl_providers import LLMProvider
from theoryctl_providers.contract import Delta, Finish, Output

class Stopper(LLMProvider):
    default_model = "acme/stopper"

    async def stream(self, request):
        yield Delta(text="Hi")
        yield Output("stop_sequence", *%s)
        yield Finish()
"""


@streamed_or_not
@pytest.mark.parametrize(
    ("output", "told"),
    [
        (("image/png", b"\x89PNG"), ("end_turn", None)),
        (("application/json", {"a": 1}), ("end_turn", None)),
        (("text/plain", "END"), ("stop_sequence", "END")),
    ],
    ids=["bytes", "json", "text"],
)
def test_a_stop_sequence_of_anthropics_is_a_text(
    streamed: bool, output: Any, told: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"stopper_of_{output[0].partition('/')[0]}_{streamed}"  # a module is loaded once
    (tmp_path / f"{name}.py").write_text(STOPPER % (output,))
    monkeypatch.syspath_prepend(tmp_path)
    provider = ProviderConfig(provider=f"{name}:Stopper", ref="a/b@1", input_schema={})
    with serving(replace(CONFIG, provider=provider)) as (port, _):
        answer = ANTHROPIC.ask(Instance(port), streamed=streamed)
    assert answer.status == 200, answer.body
    assert b"Hi" in answer.body
    reason, stop = map(json.dumps, told)
    assert f'"stop_reason":{reason},"stop_sequence":{stop}' in answer.body.decode().replace(" ", "")
