"""What a provider is: one class with three methods."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from theoryctl_providers.contract import Event, Mode, Operation, ResolvedRequest, SecretRule


class LLMProvider(Protocol):
    """Turns a request into a stream of events. Subclass it to inherit the defaults of the optional parts.

    A provider raises ProviderError, and nothing else, for what it expects to go wrong.
    """

    #: What `prepare` loads when that takes seconds, for the progress line; empty when it does not.
    loads: str = ""

    #: Whether `stream` ever waits in mock mode, and so needs an event loop there; in real mode it always has one.
    suspends_in_mock: bool = True

    #: What it can be asked for; the engine refuses the rest.
    operations: tuple[Operation, ...] = ("chat",)

    #: The secrets its models need in real mode, where no manifest says it.
    secret_rules: tuple[SecretRule, ...] = ()

    def prepare(self, mode: Mode) -> None:
        """Import what `mode` needs. Called before any event loop runs; cheap when called again."""

    def is_prepared(self, mode: Mode) -> bool:
        """Whether `prepare(mode)` would return at once."""
        return True

    def check(self, request: ResolvedRequest) -> None:
        """Refuse, before anything is loaded, a real request that cannot work. Raises ProviderError."""

    def stream(self, request: ResolvedRequest) -> AsyncIterator[Event]:
        """Answer one resolved request with `Delta`, `Output`, `Usage` and `Finish` events, as they come.

        An iterator that has `aclose`, as generators have, is told when nobody wants the rest.
        """
        ...

    async def aclose(self) -> None:
        """Close connections. The provider may be used again afterwards."""


def events_of(provider: LLMProvider, request: ResolvedRequest) -> AsyncGenerator[Event]:
    """A provider's events, as something that can be closed."""
    events = provider.stream(request)
    return events if isinstance(events, AsyncGenerator) else _generated(events)


async def _generated(events: AsyncIterator[Event]) -> AsyncGenerator[Event]:
    try:
        async for event in events:
            yield event
    finally:
        if (aclose := getattr(events, "aclose", None)) is not None:
            await aclose()
