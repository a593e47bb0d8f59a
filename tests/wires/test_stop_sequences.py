"""The number of stop sequences: each wire takes as many as its vendor does, a mock as a real instance."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from tests.providers.started import TOKEN, serving
from tests.real.conftest import LITELLM_WARNINGS
from tests.real.said import Said
from tests.real.vendor import Vendor
from tests.wires.conftest import Instance, real_config, tells
from theoryctl_providers import ProviderError, run

pytestmark = LITELLM_WARNINGS

KEY = {"authorization": f"Bearer {TOKEN}"}


class Wire(NamedTuple):
    """A wire, the most stop sequences that its vendor takes (None: any number), and what it calls them."""

    path: str
    most: int | None
    param: str
    body: Mapping[str, Any]
    under: str = ""

    def asks(self, stops: int, **more: Any) -> dict[str, Any]:
        """Write a request with so many of them."""
        named = {self.param.rpartition(".")[2]: [f"<{number}>" for number in range(stops)]}
        return {**self.body, **({self.under: named} if self.under else named), **more}


_MESSAGES = {"messages": [{"role": "user", "content": "Say hello."}]}
OPENAI = Wire("/v1/chat/completions", 4, "stop", {"model": "gpt-4o", **_MESSAGES})
ANTHROPIC = Wire("/v1/messages", 8191, "stop_sequences", {"model": "claude-x", "max_tokens": 99, **_MESSAGES})
OLLAMA = Wire("/api/chat", None, "options.stop", {"model": "llama3.2", "stream": False, **_MESSAGES}, "options")
WIRES = [
    OPENAI,
    Wire("/v1/completions", 4, "stop", {"model": "gpt-3.5-turbo-instruct", "prompt": "Say hello."}),
    Wire("/openai/deployments/mine/chat/completions", 4, "stop", _MESSAGES),
    ANTHROPIC,
    Wire(
        "/v1beta/models/gemini-x:generateContent",
        5,
        "generationConfig.stopSequences",
        {"contents": [{"parts": [{"text": "Say hello."}]}]},
        "generationConfig",
    ),
    OLLAMA,
    Wire("/api/generate", None, "options.stop", {"model": "llama3.2", "stream": False, "prompt": "x"}, "options"),
]


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.path)
def test_a_wire_takes_as_many_stop_sequences_as_its_vendor(instance: Instance, wire: Wire) -> None:
    assert instance.ask(wire.path, wire.asks(wire.most or 9000), **KEY).status == 200
    if wire.most is not None:
        answer = instance.ask(wire.path, wire.asks(wire.most + 1), **KEY)
        assert answer.status == 400
        told = json.loads(answer.body)["error"]["message"]
        assert f"$.{wire.param}: expected at most {wire.most} sequences" in told
        assert f"got {wire.most + 1} (shorten {wire.param} to {wire.most} items)" in told


@pytest.mark.parametrize(
    ("model", "most"),
    [("openai/x", 4), ("azure/x", 4), ("anthropic/x", 8191), ("gemini/x", 5), ("bedrock/x", 2500), ("x", 4)],
)
@pytest.mark.parametrize("provider", ["mock", "litellm"])
def test_the_model_says_how_many_there_may_be(model: str, most: int, provider: str) -> None:
    asked = {"model": model, **_MESSAGES}
    assert run({**asked, "stop": ["<"] * most}, provider=provider)["status"] == "success"
    with pytest.raises(ProviderError, match=rf"\$\.stop: expected at most {most} sequences") as caught:
        run({**asked, "stop": ["<"] * (most + 1)}, provider=provider)
    assert (caught.value.code, caught.value.param) == ("ERR_INPUTS", "stop")


@pytest.mark.parametrize("model", ["ollama/llama3.2", "groq/x", "acme/x"])
def test_a_vendor_that_names_no_limit_decides_itself(model: str) -> None:
    assert run({"model": model, **_MESSAGES, "stop": ["<"] * 9000})["status"] == "success"


@pytest.fixture(scope="module")
def behind(litellm: Any) -> Iterator[tuple[Instance, Vendor]]:
    """A real instance, and the vendor behind it."""
    with Vendor(tells(Said(text=("Hello.",)))) as vendor, serving(real_config(vendor)) as (port, _):
        yield Instance(port), vendor


@pytest.mark.parametrize("wire", [ANTHROPIC, OLLAMA], ids=lambda wire: wire.path)
def test_a_vendor_gets_all_of_them(behind: tuple[Instance, Vendor], wire: Wire) -> None:
    instance, vendor = behind
    asked = wire.asks(7)
    assert instance.ask(wire.path, asked, **KEY).status == 200
    part = wire.under or "stop_sequences"
    assert vendor.requests[-1].body[part] == asked[part]


def test_a_vendor_is_not_asked_for_more_than_it_takes(behind: tuple[Instance, Vendor]) -> None:
    instance, vendor = behind
    before = len(vendor.requests)
    assert instance.ask(OPENAI.path, OPENAI.asks(5), **KEY).status == 400
    assert len(vendor.requests) == before
