"""The guard of the provider seam: every event that a provider yields is checked as it passes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain, islice
from typing import Any

from theoryctl_providers.blame import blamed, crash, is_fault, name_of, told
from theoryctl_providers.contract import Event, ProviderError, ResolvedRequest
from theoryctl_providers.contract.answer import Answer
from theoryctl_providers.engine.event_rules import EventRules, check_iterator, take_plain_text
from theoryctl_providers.protocol import AtOnce, LLMProvider

#: Events that a provider which never waits is asked for at a time: of a long answer no more are there than are read.
BATCH = 256

_Collecting = Coroutine[Any, Any, None]
#: Whether there are more events after those that have come, and the failure that ended them.
_Step = tuple[bool, Exception | None]
_ENDED: _Step = (False, None)
_GOES_ON: _Step = (True, None)


async def guarded(provider: LLMProvider, request: ResolvedRequest) -> AsyncGenerator[Event]:
    """Give a provider's events, each checked as it passes. Closing the generator closes the provider's.

    Raises what the provider raises, and ProviderError `ERR_PROVIDER`, which names the class, the event and what was
    expected, for whatever breaks the rules.
    """
    rules = EventRules(provider, request)
    with blamed(provider):
        events = provider.stream(request)
        check_iterator(provider, events)
    try:
        async for event in events:
            yield rules.check(event)
        rules.end()
    except BaseException as error:
        with suppress(ProviderError), blamed(provider):  # of two failures the first counts
            await _close(events)
        if not _is_left(error) and is_fault(error):
            raise crash(provider, error) from error
        raise
    with blamed(provider):
        await _close(events)


def _is_left(error: BaseException) -> bool:
    """Return whether the reader of the events closed the generator: the provider's own code raised nothing then."""
    place = error.__traceback__
    return isinstance(error, GeneratorExit) and place is not None and place.tb_next is None


async def _close(events: Any) -> None:
    if (aclose := getattr(events, "aclose", None)) is not None:
        await aclose()


def guarded_at_once(provider: LLMProvider, request: ResolvedRequest, answer: Answer) -> Iterable[Event]:
    """Give the events of a provider that never waits, checked and added to `answer`, with an event loop or without.

    Raises as `guarded` does. A step of the provider brings many of them: to look after each event whether it waited
    would cost as much as a mock.
    """
    come: list[Any] = []
    first = _ENDED
    step: Callable[..., _Step] = _take
    more: Any = None
    try:
        events = provider.stream(request)
        if type(events) is AtOnce:  # most answers are one batch, which is taken here
            more = events.events
            come.extend(islice(more, BATCH))
            if len(come) == BATCH:
                first = _GOES_ON
        else:
            step, more = _step, _collect(provider, events, come)
            first = _step(provider, more, come)
    except BaseException as error:
        first = False, _failure(provider, error)
    taken = take_plain_text(come, answer)
    if first is _ENDED and request.operation == "chat" and taken is not None and taken[0] and not taken[1]:
        return come
    rules = EventRules(provider, request)
    following = partial(step, provider, more, come)
    return chain.from_iterable(_batches(rules, rules.took(taken), answer, first, following, come))


def _batches(
    rules: EventRules,
    is_plain: bool,
    answer: Answer,
    step: _Step,
    following: Callable[[], _Step],
    come: list[Any],
) -> Iterator[Iterable[Event]]:
    """The events up to the first that breaks the rules, or to the failure that ended them; plain ones are added."""
    while True:
        yield come if is_plain else _checked(rules, come, answer)
        come.clear()
        goes_on, failure = step
        if not goes_on:
            break
        step = following()
        is_plain = is_plain and rules.take_plain_text(come, answer)
    if failure is not None:
        raise failure
    rules.end()


def _checked(rules: EventRules, come: list[Any], answer: Answer) -> Iterator[Event]:
    for event in come:
        event = rules.check(event)
        answer.add(event)
        yield event


class _Full:
    """Awaited, it hands a full batch over."""

    def __await__(self) -> Generator[_Full, None, None]:
        yield self


_FULL = _Full()


async def _collect(provider: LLMProvider, events: Any, come: list[Any]) -> None:
    add, left = come.append, BATCH
    try:
        async for event in events:
            add(event)
            left -= 1
            if not left:
                left = BATCH
                await _FULL
    except TypeError:  # of what is no iterator, too
        check_iterator(provider, events)
        raise


def _take(provider: LLMProvider, events: Iterator[Event], come: list[Any]) -> _Step:
    """Add the next batch to `come`: whether the answer goes on, and the failure that ended it."""
    try:
        come.extend(islice(events, BATCH))
    except BaseException as error:
        return False, _failure(provider, error)
    return _ENDED if len(come) < BATCH else _GOES_ON


def _step(provider: LLMProvider, collecting: _Collecting, _come: list[Any]) -> _Step:
    """Run a coroutine that never waits up to the next batch: whether it goes on, and the failure that ended it."""
    try:
        if collecting.send(None) is _FULL:
            return _GOES_ON
    except StopIteration:
        return _ENDED
    except BaseException as error:
        return False, _failure(provider, error)
    with suppress(ProviderError), blamed(provider):  # whatever it does on being stopped is no news beside this
        collecting.close()
    return False, _waited(provider)


# -- failures ---------------------------------------------------------------------------------------------------------


def _failure(provider: LLMProvider, error: BaseException) -> Exception:
    """Make the failure that an answer ends with. Raises what is no provider's to raise."""
    if is_fault(error):
        return _waited(provider, error) if _lacks_loop(error) else crash(provider, error)
    if isinstance(error, ProviderError):
        return error
    raise error


def _waited(provider: LLMProvider, error: BaseException | None = None) -> ProviderError:
    found = "waited" if error is None else f"failed with {told(error)}"
    message = f"{name_of(provider)} {found} in mock mode; expected suspends_in_mock = True of a class that waits there"
    return ProviderError("ERR_PROVIDER", message, hint="set suspends_in_mock = True in the class")


def _lacks_loop(error: BaseException) -> bool:
    """Say whether it is what asyncio raises where something waits and no event loop runs."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    raised_in = "" if place is None else place.tb_frame.f_globals.get("__name__", "")
    return type(error) is RuntimeError and raised_in.startswith("asyncio.") and not _in_loop()


def _in_loop() -> bool:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
