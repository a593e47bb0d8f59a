"""The protocol of a provider, and the check of the class that is to be one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import Any, Protocol, get_args

from theoryctl_providers.blame import is_fault, shown, told
from theoryctl_providers.contract import Event, Mode, Operation, ResolvedRequest, SecretRule
from theoryctl_providers.contract.answer import is_unicode


class LLMProvider(Protocol):
    """Turns a request into a stream of events. Subclass it to inherit the defaults of the optional parts.

    A provider raises ProviderError, and nothing else, for what it expects to go wrong.
    """

    #: What `prepare` loads when that takes seconds, for the progress line; empty when it does not.
    loads: str = ""

    #: Whether `stream` ever waits in mock mode, and so needs an event loop there; in real mode it always has one.
    suspends_in_mock: bool = True

    #: The model where neither the inputs nor a manifest name one; without it such inputs are refused.
    default_model: str | None = None

    #: What it can be asked for; the engine refuses the rest.
    operations: tuple[Operation, ...] = ("chat",)

    #: The secrets its models need in real mode, where no manifest says it.
    secret_rules: tuple[SecretRule, ...] = ()

    def prepare(self, mode: Mode) -> None:
        """Import what `mode` needs. Called before any event loop runs; cheap when called again."""

    def is_prepared(self, mode: Mode) -> bool:
        """Return whether `prepare(mode)` would return at once."""
        return True

    def check_inputs(self, inputs: Mapping[str, Any]) -> None:
        """Refuse, in mock mode and real, valid inputs that no call may have. Raises ProviderError."""

    def check(self, request: ResolvedRequest) -> None:
        """Refuse, before anything is loaded, a real request that cannot work. Raises ProviderError."""

    def notes(self, request: ResolvedRequest) -> Sequence[str]:
        """Return what the caller of a real request should know before the vendor is asked; nothing by default."""
        return ()

    def stream(self, request: ResolvedRequest) -> AsyncIterator[Event]:
        """Answer one resolved request with `Delta`, `Output`, `Usage` and `Finish` events, as they come.

        An iterator that has `aclose`, as generators have, is told when nobody wants the rest.
        """
        ...

    async def aclose(self) -> None:
        """Close connections. The provider may be used again afterwards."""


class AtOnce(AsyncIterator[Event]):
    """Events that are made without waiting: the guard takes them from `events`, and everybody else by `async for`.

    A coroutine, and an event loop's look at it, would cost as much as a mock's event.
    """

    __slots__ = ("events",)

    def __init__(self, events: Iterator[Event]) -> None:
        self.events = events

    async def __anext__(self) -> Event:
        for event in self.events:
            return event
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Do without the rest."""
        self.events = iter(())


def broken_part(provider: object) -> str | None:
    """The first part of a provider that is not as the protocol has it: what was expected, and what is there.

    None for one that is in order.
    """
    for part, (fits, expected) in _PARTS.items():
        try:
            found = getattr(provider, part, None)
            broken = None if fits(found) else _described(found)
        except BaseException as error:  # a property, or a value of a class of its own
            if not is_fault(error):
                raise
            broken = told(error)
        if broken is not None:
            return f"{part}: expected {expected}, got {broken}"
    return None


def _gives_events(found: Any) -> bool:
    return callable(found) and not (iscoroutinefunction(found) or isgeneratorfunction(found) or _is_inherited(found))


def _is_inherited(found: Any) -> bool:
    """Tell whether a `stream` is that of `LLMProvider`, which gives nothing."""
    return getattr(found, "__func__", None) is LLMProvider.stream


def _is_plain(found: Any) -> bool:
    return _gives_events(found) and not isasyncgenfunction(found)


def _all_are(found: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(found, tuple) and all(map(fits, found))


def _is_text(found: Any) -> bool:
    return isinstance(found, str) and is_unicode(found)


def _is_rule(found: Any) -> bool:
    """Tell whether it is a SecretRule that can be asked: a class in Python may give its fields anything."""
    return (
        isinstance(found, SecretRule)
        and isinstance(found.required, bool)
        and _is_text(found.description)
        and _all_are(found.models, _is_text)
        and _all_are(found.alternatives, lambda names: bool(names) and _all_are(names, _is_variable))
        and _is_variable(found.name)
    )


def _is_variable(name: Any) -> bool:
    return isinstance(name, str) and name.isascii() and name.isidentifier()


def _described(found: Any) -> str:
    if _is_inherited(found):
        return "nothing"
    if iscoroutinefunction(found):
        return "`async def` without `yield`"
    if isasyncgenfunction(found) or isgeneratorfunction(found):
        return "a function with `yield`"
    return "a plain function" if callable(found) else shown(found)


_OPERATIONS: tuple[str, ...] = get_args(Operation)
_PLAIN = "a plain function"

#: What fits each part of a provider, and what is said where something else is there.
_PARTS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "stream": (_gives_events, "`async def` with `yield`, or a function that returns an async iterator"),
    "prepare": (_is_plain, _PLAIN),
    "is_prepared": (_is_plain, _PLAIN),
    "check": (_is_plain, _PLAIN),
    "check_inputs": (_is_plain, _PLAIN),
    "notes": (_is_plain, _PLAIN),
    "aclose": (iscoroutinefunction, "`async def` without `yield`"),
    "suspends_in_mock": (lambda found: isinstance(found, bool), "True or False"),
    "loads": (_is_text, "a text"),
    "operations": (
        lambda found: _all_are(found, _OPERATIONS.__contains__) and bool(found),
        f"a tuple of one or more of {', '.join(map(repr, _OPERATIONS))}",
    ),
    "default_model": (lambda found: found is None or (_is_text(found) and found != ""), "a name or None"),
    "secret_rules": (lambda found: _all_are(found, _is_rule), "a tuple of SecretRule, whose fields have their types"),
}
