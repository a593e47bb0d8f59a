"""Real mode inside this process: LiteLLM imported once, keys of our own, and no way out of this machine."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request as Received

from tests.real.dialects import Anthropic, OpenAI, whole_answer
from tests.real.vendor import Vendor
from tests.records import SHOWS, Shows
from theoryctl_providers import get_llm_provider
from theoryctl_providers.contract import (
    Attachment,
    Delta,
    Envelope,
    ErrorInfo,
    Event,
    Log,
    ProviderConfig,
    ProviderError,
    Request,
    Result,
    Tape,
)
from theoryctl_providers.engine import session
from theoryctl_providers.engine.loop import background

OPENAI, ANTHROPIC = "openai/gpt-4o-mini", "anthropic/claude-3-5-haiku-20241022"
OLLAMA = "ollama/llama3.2"

#: Vendors that want a key.
_KEYED = ("openai", "anthropic", "deepseek")

#: Without `sk-` in front: what keeps it out of sight must not go by the looks of a key.
CANARY = "canary.4b1d7c90e2f85a36d1c7"

#: LiteLLM ignores this warning itself, at its import: pytest undoes that after the first test.
LITELLM_WARNINGS = pytest.mark.filterwarnings("ignore:.*using the `ReadOnly` qualifier:UserWarning")

#: Variables that LiteLLM and the vendors' SDKs read, and that our provider sets.
_VENDORS = ("OPENAI_", "ANTHROPIC_", "REPLICATE_", "OLLAMA_", "LLM_")


#: One answer for each path, as its vendor streams it.
ANSWERS = {
    "/v1/chat/completions": ("text/event-stream", b"".join(whole_answer(OpenAI(), ["Hi"]))),
    "/v1/messages": ("text/event-stream", b"".join(whole_answer(Anthropic(), ["Hi"]))),
    "/api/chat": (
        "application/x-ndjson",
        b'{"model": "llama3.2", "message": {"role": "assistant", "content": "Hi"}, "done": false}\n'
        b'{"model": "llama3.2", "message": {"role": "assistant", "content": ""}, "done": true, "done_reason": "stop",'
        b' "prompt_eval_count": 9, "eval_count": 3}\n',
    ),
}


@dataclass(frozen=True)
class Call:
    """One request to the engine: everything it said, and how many seconds it took."""

    events: list[Event]
    seconds: float

    @property
    def envelope(self) -> Envelope:
        last = self.events[-1]
        assert isinstance(last, Result)
        return last.envelope

    @property
    def error(self) -> ErrorInfo:
        error = self.envelope["error"]
        assert error is not None, self.envelope
        return error

    @property
    def cause(self) -> ProviderError:
        """The failure as it was raised."""
        last = self.events[-1]
        assert isinstance(last, Result) and last.cause is not None
        return last.cause

    @property
    def outputs(self) -> dict[str, Any]:
        """Texts and JSON values by name; there are none but after a success."""
        assert self.envelope["error"] is None, self.envelope
        return {
            output["name"]: output.get("json", output.get("text", output.get("base64")))
            for output in self.envelope["outputs"]
        }

    @property
    def deltas(self) -> list[Delta]:
        return [event for event in self.events if isinstance(event, Delta)]

    @property
    def logs(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Log)]


Ask = Callable[..., Call]
Asked = Callable[..., Call]
Sent = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def litellm() -> Any:
    """LiteLLM, imported by our own code: it takes seconds, once."""
    from theoryctl_providers.litellm.loading import import_litellm

    return import_litellm()


@pytest.fixture(autouse=True)
def closed_clients() -> Iterator[None]:
    """Close LiteLLM's clients after each test: each is for the address of one vendor, which is gone by then."""
    yield
    if "litellm" in sys.modules:
        closing = get_llm_provider("litellm").aclose()
        asyncio.run_coroutine_threadsafe(closing, background().loop).result(10)


@pytest.fixture
def ask(litellm: Any, only_loopback: set[tuple[str, int]], foreign_variables: None) -> Ask:
    """Send one request in real mode, as the embedded runtime does, to the vendor at `addresses` (variables by name)."""

    def ask(
        addresses: Mapping[str, str],
        model: str = OPENAI,
        *,
        key: str = CANARY,
        timeout: float = 10,
        attachments: tuple[Attachment, ...] = (),
        streamed: bool = True,
        retries: bool = True,
        leaves_after: int | None = None,
        tape: Tape | None = None,
        **inputs: Any,
    ) -> Call:
        # A manifest may name a vendor's own variables as secrets; so does this one.
        vendor = model.partition("/")[0]
        secrets = {**addresses, **({f"{vendor.upper()}_API_KEY": key} if vendor in _KEYED else {})}
        request = Request(
            config=ProviderConfig(provider="litellm", ref="llm/litellm@1", secrets=secrets, tape=tape),
            inputs={"model": model, "messages": [{"role": "user", "content": "Say hello."}], **inputs},
            mode="real",
            attachments=attachments,
            timeout=timeout,
            streamed=streamed,
            retries=retries,
        )
        begun = time.monotonic()
        with closing(session.ask(request)) as asked:
            events = list(islice(asked, leaves_after))
        return Call(events, time.monotonic() - begun)

    return ask


@pytest.fixture
def shows(request: pytest.FixtureRequest) -> Shows:
    """Record that a vendor's ability was shown; a test's last line says it."""

    def shows(vendor: str, ability: str) -> None:
        request.node.user_properties.append((SHOWS, f"{vendor}: {ability}"))

    return shows


@pytest.fixture
def foreign_variables() -> Iterator[None]:
    """Take the developer's own keys and addresses away, and what our provider sets afterwards."""

    def take() -> dict[str, str]:
        return {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(_VENDORS)}

    before = take()
    yield
    take()
    os.environ.update(before)


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less time between attempts where the vendor names none; one test takes the real time."""
    monkeypatch.setattr("theoryctl_providers.engine.retries.FIRST_WAIT", 0.02)


@pytest.fixture
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[tuple[str, int]]]:
    """Keep a test on this machine, and fail it when it tried to leave; the addresses that were connected to."""
    tried: list[object] = []
    connected: set[tuple[str, int]] = set()
    connect, getaddrinfo = socket.socket.connect, socket.getaddrinfo

    def must_be_local(host: object) -> None:
        if host not in ("127.0.0.1", "::1", "localhost", b"localhost", None):
            tried.append(host)
            raise OSError(f"this test may not reach {host!r}")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            must_be_local(address[0])
            connected.add(("127.0.0.1" if address[0] == "::1" else address[0], address[1]))
        connect(self, address)

    def guarded_getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        must_be_local(host)
        return getaddrinfo(host, *arguments, **options)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
    yield connected
    assert tried == []


@pytest.fixture
def asked(ask: Ask) -> Asked:
    """Ask a vendor of this behaviour, and hold that it is asked once."""

    def asked(behaviour: Any, *arguments: Any, **options: Any) -> Call:
        with Vendor(behaviour) as vendor:
            call = ask({**vendor.addresses, **_ollama(vendor, arguments)}, *arguments, **options)
        assert len(vendor.requests) == 1
        return call

    return asked


def _ollama(vendor: Vendor, arguments: tuple[Any, ...]) -> dict[str, str]:
    return {"LLM_API_BASE": vendor.url} if arguments and arguments[0].startswith("ollama/") else {}


@pytest.fixture
def vendors(httpserver: HTTPServer) -> HTTPServer:
    """A server that speaks for all vendors; nothing but these three paths is there."""
    for path, (content_type, body) in ANSWERS.items():
        httpserver.expect_request(path, method="POST").respond_with_data(body, content_type=content_type)
    return httpserver


@pytest.fixture(scope="module")
def trap_server() -> Iterator[HTTPServer]:
    with HTTPServer() as server:
        yield server


@pytest.fixture
def trap(trap_server: HTTPServer) -> Iterator[HTTPServer]:
    """The server at every address that is another vendor's; nobody should ask it."""
    trap_server.clear()
    yield trap_server
    assert trap_server.log == []


def addresses(server: HTTPServer, model: str = OPENAI) -> dict[str, str]:
    """As people set them: Ollama's is the server's root, OpenAI's ends in /v1."""
    root = server.url_for("").rstrip("/")
    return {
        "LLM_API_BASE": root,
        "OPENAI_BASE_URL": root,
        "DEEPSEEK_API_BASE": f"{root}/v1",
        "ANTHROPIC_API_BASE": root,
    }


@pytest.fixture
def sent(ask: Ask, vendors: HTTPServer) -> Callable[..., dict[str, Any]]:
    """Ask once and return the one JSON body that a vendor got for it."""

    def sent(model: str = OPENAI, **inputs: Any) -> dict[str, Any]:
        call = ask(addresses(vendors, model), model, **inputs)
        assert call.outputs["answer"] == "Hi"
        body = json.loads(only_question(vendors).get_data())
        assert isinstance(body, dict)
        return body

    return sent


def only_question(server: HTTPServer) -> Received:
    """The one request for an answer."""
    (request,) = [request for request, _ in server.log if request.path in ANSWERS]
    return request
