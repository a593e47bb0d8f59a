"""Providers of a test's own, found by the engine under a name."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Iterable
from typing import Any

from theoryctl_providers import LLMProvider
from theoryctl_providers.contract import (
    Delta,
    Envelope,
    ErrorInfo,
    Event,
    Finish,
    ProviderConfig,
    Request,
    Result,
    Usage,
)
from theoryctl_providers.engine.drive import drive
from theoryctl_providers.engine.execute import execute
from theoryctl_providers.protocol import AtOnce

HERE = "test_guard_providers"
ASK = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
SOUND: list[Event] = [Delta(text="a"), Finish(), Usage(1, 1, 0.0)]


def named(made: type[Any]) -> str:
    """The name by which the engine finds a class."""
    made.__module__, made.__qualname__ = HERE, made.__name__
    setattr(sys.modules[HERE], made.__name__, made)
    return f"{HERE}:{made.__name__}"


def yielding(events: list[Any], *, waits: bool) -> str:
    """The name of a provider that gives these events."""

    class Echo(LLMProvider):
        suspends_in_mock = waits

        async def stream(self, request: Request) -> AsyncGenerator[Any]:
            for event in events:
                yield event

    return named(Echo)


def giving_at_once(events: Iterable[Any]) -> str:
    """The name of a provider that gives these events as an `AtOnce`, as the mock does."""

    class AllThere(LLMProvider):
        suspends_in_mock = False

        def stream(self, request: Request) -> AtOnce:
            return AtOnce(iter(events))

    return named(AllThere)


def envelope_of(name: str, **options: Any) -> Envelope:
    events = list(drive(execute(Request(config=ProviderConfig(provider=name), inputs=ASK, **options))))
    assert isinstance(events[-1], Result)
    return events[-1].envelope


def refusal(name: str, **options: Any) -> ErrorInfo:
    error = envelope_of(name, **options)["error"]
    assert error is not None and error["code"] == "ERR_PROVIDER"
    assert error["hint"]
    return error


class Bare:
    """No subclass of LLMProvider, and nothing but the one method that every provider has."""

    async def stream(self, request: Request) -> AsyncGenerator[Event]:
        yield Delta(text="bare")
        yield Finish()


async def a_coroutine(*_: Any) -> Any:
    return Finish()
