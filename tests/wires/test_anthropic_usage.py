"""Counts of tokens that Anthropic's wire tells: those of a whole message, and of a stream at its end and before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from tests.providers.started import CONFIG, serving
from tests.wires.conftest import Instance, scripted
from tests.wires.test_anthropic import ASK, events_of, post
from theoryctl_providers import LLMProvider
from theoryctl_providers.contract import Delta, Event, Finish, Recording, Recordings, ResolvedRequest, Usage
from theoryctl_providers.contract.wire import ServerConfig
from theoryctl_providers.inputs.normalize import normalized


class Silent(LLMProvider):
    """Counts nothing."""

    default_model = "own/m"

    async def stream(self, request: ResolvedRequest) -> AsyncIterator[Event]:
        yield Delta(text="Hello.")
        yield Finish()


class Counting(Silent):
    """Counts in its own way."""

    async def stream(self, request: ResolvedRequest) -> AsyncIterator[Event]:
        async for event in super().stream(request):
            yield event
        yield Usage(7, 1, cached_input_tokens=2)


def own(name: str) -> ServerConfig:
    """An instance of a provider of this module."""
    return replace(CONFIG, provider=replace(CONFIG.provider, provider=f"{__name__}:{name}"))


def says(**answer: Any) -> ServerConfig:
    return scripted({"rules": [{"answers": [{"text": "Hello.", **answer}]}]})


COUNTED = {"input_tokens": 500, "cached_input_tokens": 400, "cache_write_tokens": 10, "reasoning_tokens": 1}

#: Who answers, and its tokens of the prompt as a stream begins: beside the cache, written to it, and read from it.
ANSWERING: Any = {
    "the mock": (CONFIG, (14, None, None)),
    "a script that counts": (says(usage=COUNTED), (90, 10, 400)),
    "a script that counts, and waits": (says(usage=COUNTED, ttft=0.01), (90, 10, 400)),
    "a script that counts 0": (says(usage={"input_tokens": 0}), (0, None, None)),
    "a script that does not count": (says(), (14, None, None)),
    "a script that says nothing": (says(text="", usage=COUNTED), (90, 10, 400)),
    "a provider that counts nothing": (own("Silent"), (0, None, None)),
    "a provider that counts": (own("Counting"), (0, None, None)),
}


def told(instance: Instance) -> tuple[Any, Any, Any]:
    """The usage of a whole message, and those of the beginning and the end of a stream."""
    events = {event["type"]: event for event in events_of(post(instance, {**ASK, "stream": True}).body)}
    whole = post(instance).document["usage"]
    return whole, events["message_start"]["message"]["usage"], events["message_delta"]["usage"]


@pytest.mark.parametrize("who", ANSWERING)
def test_a_stream_ends_with_the_counts_of_a_whole_message_and_begins_with_none_that_is_made_up(who: str) -> None:
    config, sent = ANSWERING[who]
    with serving(config) as (port, _):
        whole, begun, ended = told(Instance(port))
    assert ended == whole
    counts = "input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"
    assert tuple(begun[name] for name in counts) == sent


def test_a_provider_that_counts_nothing_has_no_tokens_in_the_end() -> None:
    with serving(own("Silent")) as (port, _):
        _, _, ended = told(Instance(port))
    assert set(ended.values()) == {None}


def test_a_replayed_stream_begins_without_counts_as_the_vendors_did() -> None:
    inputs: Any = normalized({**ASK, "model": "anthropic/claude-x"}, {}, None)
    key, events = Recording.key_for("chat", inputs), (Delta(text="Hello."), Finish(), Usage(20, 9))
    recording = Recording(key=key, operation="chat", model="anthropic/claude-x", inputs=inputs, events=events)
    with serving(replace(CONFIG, provider=replace(CONFIG.provider, replay=Recordings([recording])))) as (port, _):
        whole, begun, ended = told(Instance(port))
    assert (begun["input_tokens"], ended["input_tokens"], ended) == (0, 20, whole)
