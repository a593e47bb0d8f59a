"""The provider seam: a provider that waits, fails or cannot be closed ends its own answer alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pytest

from tests.providers.engine.seam import ASK, HERE, SOUND, Bare, envelope_of, giving_at_once, named, refusal, yielding
from theoryctl_providers import LLMProvider
from theoryctl_providers.contract import (
    Annotation,
    Delta,
    Event,
    Finish,
    Log,
    Mode,
    ProviderConfig,
    ProviderError,
    Request,
    Result,
    Usage,
)
from theoryctl_providers.engine.drive import drive
from theoryctl_providers.engine.execute import execute
from theoryctl_providers.engine.guard import BATCH
from theoryctl_providers.protocol import AtOnce

pytestmark = pytest.mark.usefixtures("module")


class Sleeper(LLMProvider):
    """Says that it never waits, and does."""

    suspends_in_mock = False
    seconds = 0.0

    async def stream(self, request: Request) -> AsyncGenerator[Event]:
        yield Delta(text="a")
        await asyncio.sleep(self.seconds)
        yield Finish()


async def collected(request: Request) -> list[Event]:
    return [event async for event in execute(request)]


@pytest.mark.parametrize("seconds", [0.0, 0.01])
@pytest.mark.parametrize("in_loop", [False, True])
def test_a_provider_that_waits_although_it_said_it_does_not_is_told(seconds: float, in_loop: bool) -> None:
    name = named(type("Sleeps", (Sleeper,), {"seconds": seconds}))
    request = Request(config=ProviderConfig(provider=name), inputs=ASK)
    events = asyncio.run(collected(request)) if in_loop else list(drive(execute(request)))
    assert isinstance(events[-1], Result)
    error = events[-1].envelope["error"]
    assert error is not None and error["code"] == "ERR_PROVIDER"
    assert f"{HERE}:Sleeps" in error["message"] and "expected suspends_in_mock = True" in error["message"]
    assert Delta(text="a") in events


STRAYS = [SystemExit(3), asyncio.CancelledError(), GeneratorExit(), KeyError("x"), StopIteration()]


@pytest.mark.parametrize("raised", STRAYS, ids=repr)
@pytest.mark.parametrize("how", ["mock, at once", "mock, waiting", "real"])
def test_whatever_a_provider_raises_ends_its_answer_and_nothing_else(raised: BaseException, how: str) -> None:
    class Breaks(LLMProvider):
        suspends_in_mock = how != "mock, at once"

        async def stream(self, request: Request) -> AsyncGenerator[Event]:
            yield Delta(text="a")
            raise raised

    name = "RuntimeError" if isinstance(raised, StopIteration) else type(raised).__name__
    message = refusal(named(Breaks), mode="real" if how == "real" else "mock")["message"]
    assert f"{HERE}:Breaks failed with {name}" in message
    assert message.endswith("expected a ProviderError")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("ERR_FOO", "'ERR_FOO' is not a code of docs/errors.md; expected a ProviderError"),
        ("ERR_RATE_LIMIT", "'ERR_RATE_LIMIT' is not a code of docs/errors.md (did you mean 'ERR_RATE_LIMITED'?)"),
        (404, "404 is not a code of docs/errors.md"),
    ],
)
def test_a_code_that_there_is_not_is_told_as_such(code: Any, told: str) -> None:
    class Raises(LLMProvider):
        async def stream(self, request: Request) -> AsyncGenerator[Event]:
            raise ProviderError(code, "x")
            yield

    assert told in refusal(named(Raises))["message"]


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError("no")


@pytest.mark.parametrize("part", ["stream", "check_inputs", "__init__"])
def test_an_exception_without_a_text_is_told_by_its_class(part: str) -> None:
    def raises(*_: Any) -> Any:
        raise Mute

    message = refusal(named(type("Raises", (Bare,), {part: raises})))["message"]
    assert "failed with Mute: (its text fails with ValueError); expected a " in message


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [
        ("code", "ERR_FOO", "code 'ERR_FOO'; expected a code of docs/errors.md"),
        ("message", None, "message None; expected a text"),
        ("hint", 7, "hint 7; expected a text or None"),
        ("retryable", "no", "retryable 'no'; expected True or False"),
        ("retry_after", -1.0, "retry_after -1.0; expected seconds or None"),
        ("param", ["a"], "param ['a']; expected a text or None"),
        ("vendor_code", 5, "vendor_code 5; expected a text or None"),
        ("headers", {"a": "\ud83d"}, "headers {'a': '\\ud83d'}; expected a mapping of str to str or None"),
    ],
)
@pytest.mark.parametrize("how", ["mock, at once", "mock, waiting", "real"])
def test_an_error_with_an_attribute_of_another_type_is_told(
    attribute: str, value: Any, expected: str, how: str
) -> None:
    class Raises(LLMProvider):
        suspends_in_mock = how != "mock, at once"

        async def stream(self, request: Request) -> AsyncGenerator[Event]:
            error = ProviderError("ERR_QUOTA", "x")
            setattr(error, attribute, value)
            raise error
            yield

    message = refusal(named(Raises), mode="real" if how == "real" else "mock")["message"]
    assert message == f"{HERE}:Raises raised a ProviderError with {expected}"


class Shut(ProviderError):
    @property
    def param(self) -> Any:
        raise ValueError("no")

    @param.setter
    def param(self, value: Any) -> None:
        return


def test_an_error_with_an_attribute_that_cannot_be_read_is_told() -> None:
    class Raises(LLMProvider):
        async def stream(self, request: Request) -> AsyncGenerator[Event]:
            raise Shut("ERR_QUOTA", "x")
            yield

    told = f"{HERE}:Raises raised a ProviderError with param ValueError: no; expected a text or None"
    assert refusal(named(Raises))["message"] == told


def test_a_message_that_is_not_unicode_is_written_out() -> None:
    class Raises(LLMProvider):
        async def stream(self, request: Request) -> AsyncGenerator[Event]:
            raise ProviderError("ERR_QUOTA", "no \ud83d left", hint="pay \ud83d")
            yield

    error = envelope_of(named(Raises))["error"]
    assert error is not None
    assert (error["code"], error["message"], error["hint"]) == ("ERR_QUOTA", "no \\ud83d left", "pay \\ud83d")


@pytest.mark.parametrize("notes", [None, "abc", [5], ["\ud83d"], {"a"}], ids=ascii)
def test_notes_that_are_no_texts_are_told(notes: Any) -> None:
    name = named(type("Notes", (Bare,), {"notes": lambda *_: notes}))
    message = refusal(name, mode="real")["message"]
    assert message == f"{HERE}:Notes returned {notes!r} from notes; expected a tuple or list of texts"


class Shy(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise ValueError("no")

    def __iter__(self) -> Iterator[str]:
        raise ValueError("no")

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize("how", ["mock, at once", "mock, waiting", "real"])
def test_a_value_that_fails_when_it_is_looked_at_is_the_classs_fault(how: str) -> None:
    name = yielding([Annotation(0, Shy()), *SOUND], waits=how != "mock, at once")
    message = refusal(name, mode="real" if how == "real" else "mock")["message"]
    assert message == f"{HERE}:Echo failed with ValueError: no; expected a ProviderError"


LONG = [Delta(text="a")] * (3 * BATCH)


@pytest.mark.parametrize(
    "rest",
    [
        [*LONG, Finish()],
        [Delta(reasoning="b"), *LONG, Finish()],
        [Log("c"), Finish(), Delta(1, "d"), Finish(1)],
        [Finish(), *(Delta(1, "e") for _ in LONG), Finish(1), Usage(1, 1)],
    ],
    ids=["plain", "reasoning", "a log", "two choices"],
)
@pytest.mark.parametrize("provider", [partial(yielding, waits=False), giving_at_once], ids=["yielded", "at once"])
def test_a_long_answer_passes_batch_by_batch(rest: list[Event], provider: Callable[[list[Event]], str]) -> None:
    asked = [*LONG, *rest]
    name = provider(asked)
    come = list(drive(execute(Request(config=ProviderConfig(provider=name), inputs=ASK))))
    assert come[1:-1] == asked
    assert isinstance(come[-1], Result) and come[-1].cause is None


@pytest.mark.parametrize("wrong", ["hello", Delta(1, "x"), Delta(text="x", reasoning="y")], ids=str)
@pytest.mark.parametrize("provider", [partial(yielding, waits=False), giving_at_once], ids=["yielded", "at once"])
def test_a_long_answer_is_shown_up_to_what_breaks_the_rules(wrong: Any, provider: Callable[[list[Any]], str]) -> None:
    name = provider([*LONG, *LONG[:7], wrong, *LONG, Finish()])
    come = list(drive(execute(Request(config=ProviderConfig(provider=name), inputs=ASK))))
    last = come[-1]
    assert isinstance(last, Result) and last.cause is not None and last.cause.code == "ERR_PROVIDER"
    assert come[1 : len(LONG) + 8] == [*LONG, *LONG[:7]]


def test_events_that_are_there_at_once_are_shown_up_to_the_one_that_cannot_be_made() -> None:
    def making() -> Iterator[Event]:
        yield from [*LONG, *LONG[:7]]
        raise KeyError("x")

    come = list(drive(execute(Request(config=ProviderConfig(provider=giving_at_once(making())), inputs=ASK))))
    last = come[-1]
    assert isinstance(last, Result) and last.cause is not None and last.cause.code == "ERR_PROVIDER"
    assert "AllThere failed with KeyError" in last.cause.message
    assert [event for event in come if isinstance(event, Delta)] == [*LONG, *LONG[:7]]


def test_events_that_are_there_at_once_can_be_awaited_too_until_they_are_closed() -> None:
    async def reads() -> tuple[list[Event], list[Event]]:
        events = AtOnce(iter(SOUND))
        first = [await anext(events)]
        await events.aclose()
        return first, [event async for event in events] + [event async for event in AtOnce(iter(SOUND))]

    assert asyncio.run(reads()) == (SOUND[:1], SOUND)


@pytest.mark.parametrize("part", ["prepare", "check_inputs", "check", "notes"])
def test_a_part_that_crashes_is_the_providers_fault_and_its_traceback_is_told(part: str) -> None:
    def crashes(*_: Any) -> Any:
        raise KeyError("x")

    name = named(type("Crashes", (Bare,), {part: crashes}))
    events = list(drive(execute(Request(config=ProviderConfig(provider=name), inputs=ASK, mode="real"))))
    assert f"{HERE}:Crashes.{part} failed with KeyError: 'x'" in refusal(name, mode="real")["message"]
    assert any(isinstance(event, Log) and event.debug and "in crashes" in event.message for event in events)


class Unclosable:
    """Events that cannot be closed; the last of them is a failure where there is one."""

    def __init__(self, failure: Exception) -> None:
        self.left: Iterator[Any] = iter([*SOUND, failure])

    def __aiter__(self) -> Unclosable:
        return self

    async def __anext__(self) -> Any:
        event = next(self.left)
        if isinstance(event, Exception):
            raise event
        return event

    async def aclose(self) -> None:
        raise OSError("it is stuck")


@pytest.mark.parametrize("mode", ["mock", "real"])
@pytest.mark.parametrize(
    ("failure", "code", "message"),
    [
        (StopAsyncIteration(), "ERR_PROVIDER", "Stuck failed with OSError: it is stuck; expected a ProviderError"),
        (ProviderError("ERR_QUOTA", "no money is left"), "ERR_QUOTA", "no money is left"),
    ],
)
def test_events_that_cannot_be_closed_are_the_providers_fault_unless_it_failed_before(
    failure: Exception, code: str, message: str, mode: Mode
) -> None:
    made = type("Stuck", (LLMProvider,), {"stream": lambda self, request: Unclosable(failure)})
    error = envelope_of(named(made), mode=mode)["error"]
    assert error is not None
    assert (error["code"], message in error["message"]) == (code, True)


def test_a_fault_of_the_engine_is_not_the_providers() -> None:
    # No JSON Schema: the engine takes it from its own callers unchecked.
    config = ProviderConfig(provider=yielding(SOUND, waits=True), input_schema={"type": "objec"})
    request = Request(config=config, inputs=ASK)
    *before, last = drive(execute(request))
    assert isinstance(last, Result) and last.envelope["error"] is not None
    assert last.envelope["error"]["code"] == "ERR_INTERNAL"
    assert any(isinstance(event, Log) and event.debug and "Traceback" in event.message for event in before)


@pytest.mark.parametrize("mode", ["mock", "real"])
@pytest.mark.parametrize("pieces", [0, 1])
def test_a_provider_that_is_cancelled_is_not_at_fault(mode: Mode, pieces: int) -> None:
    class Waits(LLMProvider):
        async def stream(self, request: Request) -> AsyncGenerator[Event]:
            for _ in range(pieces):
                yield Delta(text="a")
            await asyncio.sleep(60)

    async def cancelled() -> None:
        request = Request(config=ProviderConfig(provider=named(Waits)), inputs=ASK, mode=mode)
        await asyncio.wait_for(collected(request), 0.05)

    with pytest.raises(TimeoutError):
        asyncio.run(cancelled())
