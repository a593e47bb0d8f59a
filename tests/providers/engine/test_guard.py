"""The provider seam: the class is checked once, and every event as it passes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from types import ModuleType
from typing import Any

import pytest

from theoryctl.requests.saved_outputs import file_name
from theoryctl_providers import LLMProvider, get_llm_provider, lookup, run
from theoryctl_providers.contract import (
    Annotation,
    Delta,
    Envelope,
    ErrorInfo,
    Event,
    Finish,
    Log,
    Mode,
    Output,
    ProviderConfig,
    ProviderError,
    Request,
    ResolvedRequest,
    Result,
    Started,
    ToolCallDelta,
    Usage,
    VendorInfo,
)
from theoryctl_providers.engine.drive import drive
from theoryctl_providers.engine.event_rules import RESERVED
from theoryctl_providers.engine.execute import execute
from theoryctl_providers.engine.guard import BATCH

HERE = "test_guard_providers"
ASK = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
JSON = "application/json"
SOUND = [Delta(text="a"), Finish(), Usage(1, 1, 0.0)]


@pytest.fixture(autouse=True)
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """An importable module for the classes of one test."""
    module = ModuleType(HERE)
    monkeypatch.setitem(sys.modules, HERE, module)
    monkeypatch.setattr(lookup, "_loaded", {})
    return module


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


def envelope_of(name: str, **options: Any) -> Envelope:
    events = list(drive(execute(Request(config=ProviderConfig(provider=name), inputs=ASK, **options))))
    assert isinstance(events[-1], Result)
    return events[-1].envelope


def refusal(name: str, **options: Any) -> ErrorInfo:
    error = envelope_of(name, **options)["error"]
    assert error is not None and error["code"] == "ERR_PROVIDER"
    assert error["hint"]
    return error


# -- the class --------------------------------------------------------------------------------------------------------


class Bare:
    """No subclass of LLMProvider, and nothing but the one method that every provider has."""

    async def stream(self, request: Request) -> AsyncGenerator[Event]:
        yield Delta(text="bare")
        yield Finish()


async def a_coroutine(*_: Any) -> Any:
    return Finish()


def a_generator(*_: Any) -> Any:
    yield Finish()


def test_a_class_that_is_no_subclass_gets_the_defaults_of_the_optional_parts() -> None:
    name = named(type("Plain", (Bare,), {}))
    envelope = run(ASK, provider=name, mode="real", secrets={})
    assert envelope["outputs"][0]["text"] == "bare"
    provider = get_llm_provider(name)
    assert (provider.operations, provider.suspends_in_mock, provider.secret_rules) == (("chat",), True, ())
    asyncio.run(provider.aclose())


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"stream": a_coroutine}, "stream: expected `async def` with `yield`"),
        ({"stream": a_generator}, "stream: expected `async def` with `yield`"),
        ({"stream": LLMProvider.stream}, "got nothing"),
        ({"stream": None}, "got None"),
        ({"prepare": a_coroutine}, "prepare: expected a plain function, got `async def` without `yield`"),
        ({"check": a_coroutine}, "check: expected a plain function"),
        ({"is_prepared": True}, "is_prepared: expected a plain function, got True"),
        ({"aclose": a_generator}, "aclose: expected `async def` without `yield`, got a function with `yield`"),
        ({"aclose": lambda self: None}, "aclose: expected `async def` without `yield`, got a plain function"),
        ({"suspends_in_mock": "no"}, "suspends_in_mock: expected True or False, got 'no'"),
        ({"loads": None}, "loads: expected a text, got None"),
        ({"operations": ("chat", "speech")}, "operations: expected a tuple of one or more of 'chat', 'embeddings'"),
        ({"operations": "chat"}, "got 'chat'"),
        ({"operations": ()}, "got ()"),
        ({"default_model": 5}, "default_model: expected a name or None, got 5"),
        ({"secret_rules": ["KEY"]}, "secret_rules: expected a tuple of SecretRule, got ['KEY']"),
    ],
)
def test_a_part_of_another_kind_is_refused_at_look_up(parts: dict[str, Any], expected: str) -> None:
    name = named(type("Odd", (Bare,), parts))
    with pytest.raises(ProviderError) as caught:
        get_llm_provider(name)
    assert caught.value.code == "ERR_PROVIDER"
    assert f"{HERE}:Odd." in caught.value.message and expected in caught.value.message
    assert refusal(name)["message"] == caught.value.message


def test_a_class_that_cannot_be_made_without_arguments_is_refused() -> None:
    class Wants(Bare):
        def __init__(self, key: str) -> None:
            self.key = key

    assert f"{HERE}:Wants() failed with TypeError" in refusal(named(Wants))["message"]


def test_what_is_no_class_is_refused(module: ModuleType) -> None:
    module.ready = Bare()  # type: ignore[attr-defined]
    assert "expected a class, got <" in refusal(f"{HERE}:ready")["message"]


def test_a_module_that_fails_while_it_is_imported_is_no_bug_of_ours(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme_broken.py").write_text("def f(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ProviderError, match="cannot be loaded: SyntaxError") as caught:
        get_llm_provider("acme_broken:Echo")
    assert caught.value.code == "ERR_PROVIDER"


# -- the events -------------------------------------------------------------------------------------------------------

BAD: dict[str, tuple[list[Any], str]] = {
    "a str": (["hello"], "yielded 'hello'; expected a Delta, Annotation, Output, Usage, Finish, VendorInfo or Log"),
    "an event of the engine": ([Started("m", "mock", False)], "expected a Delta"),
    "no event": ([], "ended without a Finish of choice 0; expected exactly one Finish"),
    "no Finish": ([Delta(text="a")], "ended without a Finish of choice 0"),
    "outputs and no Finish": ([Output("page", "text/plain", "a")], "ended without a Finish"),
    "no Finish of one of them": ([Delta(0, "a"), Delta(1, "b"), Finish(0)], "ended without a Finish of choice 1"),
    "two of one choice": ([Delta(text="a"), Finish(), Finish()], "expected nothing of choice 0 after its Finish"),
    "text after the end": ([Delta(text="a"), Finish(), Delta(text="b")], "nothing of choice 0 after its Finish"),
    "a choice below 0": ([Delta(-1, "a"), Finish()], "expected an integer of 0 or more as choice"),
    "a choice that is no number": ([Delta(True, "a"), Finish(True)], "expected an integer of 0 or more as choice"),
    "a text that is none": ([Delta(0, b"a"), Finish()], "expected a str or None as text, reasoning and refusal"),  # type: ignore[arg-type]
    "text and a call": (
        [Delta(0, "a", ToolCallDelta(0, "{}")), Finish()],
        "expected one of text, reasoning, refusal and tool_call",
    ),
    "reasoning that is none": ([Delta(reasoning=7), Finish()], "a str or None as text, reasoning"),  # type: ignore[arg-type]
    "text and reasoning": ([Delta(text="a", reasoning="b"), Finish()], "expected one of text, reasoning"),
    "an annotation after the end": ([*SOUND[:2], Annotation(0, {})], "nothing of choice 0 after its Finish"),
    "an annotation that is none": ([Annotation(0, ["a"]), *SOUND], "a JSON object as value"),  # type: ignore[arg-type]
    "a vendor's header as a number": ([VendorInfo(headers={"a": 1}), *SOUND], "str to str as headers"),  # type: ignore[dict-item]
    "details below 0": ([*SOUND[:2], Usage(1, 1, 0.0, -1)], "expected integers of 0 or more as tokens"),
    "what goes back and is none": (
        [Delta(tool_call=ToolCallDelta(0, "", "c", "f", "S")), Finish()],  # type: ignore[arg-type]
        "a JSON object as tool_call.extra_content",
    ),
    "a call that is none": ([Delta(0, tool_call={"index": 0}), Finish()], "expected a ToolCallDelta"),  # type: ignore[arg-type]
    "a call without a number": ([Delta(0, tool_call=ToolCallDelta("0")), Finish()], "as tool_call.index"),  # type: ignore[arg-type]
    "arguments as an object": ([Delta(0, tool_call=ToolCallDelta(0, {})), Finish()], "a str as tool_call.arguments"),  # type: ignore[arg-type]
    "a call's id as a number": ([Delta(0, tool_call=ToolCallDelta(0, "", 7)), Finish()], "as tool_call.id"),  # type: ignore[arg-type]
    "a reason that is none": ([Delta(text="a"), Finish(0, None)], "a str that says why as reason"),  # type: ignore[arg-type]
    "tokens below 0": ([*SOUND[:2], Usage(-1)], "expected integers of 0 or more as tokens"),
    "tokens in words": ([*SOUND[:2], Usage("7")], "expected integers of 0 or more as tokens"),  # type: ignore[arg-type]
    "a price that is no number": ([*SOUND[:2], Usage(1, 1, float("nan"))], "a price of 0 or more, or None"),
    "a message that is none": ([Log(b"loading"), *SOUND], "expected a str as message"),  # type: ignore[arg-type]
    "a name twice": ([Output("page", JSON, 1), Output("page", JSON, 2), *SOUND], "not page again"),
    "a name in capitals": ([Output("page", JSON, 1), Output("Page", JSON, 2), *SOUND], "not Page again"),
    "a name with a slash": ([Output("page/1", JSON, 1), Output("page_1", JSON, 2), *SOUND], "Output(name='page/1'"),
    "a hidden name": ([Output(".page", JSON, 1), *SOUND], "letters (A to Z), digits"),
    "no name": ([Output("", JSON, 1), *SOUND], "expected a name of 1 to 100 letters"),
    "a name of the engine's": ([Output("answer", JSON, 1), *SOUND], "another name than answer, which the engine gives"),
    "one of a further choice": ([Output("Finish_Reason.12", JSON, 1), *SOUND], "which the engine gives"),
    "bytes": ([Output("page", "text/plain", b"a"), *SOUND], "expected a str as value of text/plain"),
    "no media type": ([Output("page", "", "a"), *SOUND], "expected a media type"),
    "no JSON": ([Output("page", JSON, {1, 2}), *SOUND], "expected a JSON value (Object of type set"),
    "a number without end": ([Output("page", JSON, [float("inf")]), *SOUND], "inf is not a JSON number"),
    "half a character": ([Output("page", JSON, {"\ud800": 1}), *SOUND], "lone surrogate U+D800"),
}


@pytest.mark.parametrize("how", ["mock, at once", "mock, waiting", "real"])
@pytest.mark.parametrize("case", BAD)
def test_an_event_that_breaks_the_rules_is_named_with_its_class(case: str, how: str) -> None:
    events, expected = BAD[case]
    name = yielding(events, waits=how != "mock, at once")
    message = refusal(name, mode="real" if how == "real" else "mock")["message"]
    assert message.startswith(f"{HERE}:Echo ")
    assert expected in message


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(
    "events",
    [
        SOUND,
        [Usage(), Delta(), Delta(text=""), Finish()],
        [Delta(1, "b"), Delta(0, "a"), Finish(1), Finish(0, "length")],
        [Delta(0, "a"), Finish(0), Delta(1, "b"), Finish(1)],
        [Delta(0, tool_call=ToolCallDelta(0, "{}", "id", "f")), Finish(0, "tool_calls"), Usage(1, None, 0)],
        [Log("working"), Output("page_1", JSON, {"a": [1.5, None]}), Output("page.2", "text/csv", "a;b"), Finish()],
        [Output("answers", "text/plain", "a"), Output("answer.html", "text/html", "a"), Finish()],
    ],
)
def test_everything_else_passes(events: list[Any], waits: bool) -> None:
    envelope = envelope_of(yielding(events, waits=waits))
    assert envelope["error"] is None
    assert len({file_name(output) for output in envelope["outputs"]}) == len(envelope["outputs"])


def test_what_came_before_a_wrong_event_was_shown_and_the_provider_is_closed() -> None:
    closed = []

    class Echo(LLMProvider):
        async def stream(self, request: ResolvedRequest) -> AsyncGenerator[Any]:
            try:
                yield Delta(text="shown")
                yield "hello"
            finally:
                closed.append(True)

    events = list(drive(execute(Request(config=ProviderConfig(provider=named(Echo)), inputs=ASK))))
    assert events[1] == Delta(text="shown")
    assert closed == [True]


def test_the_names_that_the_engine_gives_are_reserved() -> None:
    events = [Delta(0, "a"), Delta(0, tool_call=ToolCallDelta(0, "{}", "id", "f")), Finish(0), Finish(1)]
    made = {output["name"].partition(".")[0] for output in envelope_of(yielding(events, waits=False))["outputs"]}
    assert made <= RESERVED


def test_a_long_event_is_shown_in_part_and_one_that_cannot_be_shown_by_its_type() -> None:
    class Mute:
        def __repr__(self) -> str:
            raise ValueError("no")

    assert len(refusal(yielding(["x" * 9999], waits=False))["message"]) < 400
    lookup._loaded.clear()
    assert "yielded a Mute whose repr fails" in refusal(yielding([Mute()], waits=False))["message"]


@pytest.mark.parametrize("returned", [[Finish()], None, a_coroutine()])
@pytest.mark.parametrize("waits", [False, True])
def test_a_stream_that_is_no_async_iterator_is_refused(returned: Any, waits: bool) -> None:
    class Echo(LLMProvider):
        suspends_in_mock = waits

        def stream(self, request: Request) -> AsyncIterator[Event]:
            return returned  # type: ignore[no-any-return]

    assert "from stream; expected an async iterator of events" in refusal(named(Echo))["message"]


# -- waiting, and failing ---------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("raised", [SystemExit(3), asyncio.CancelledError(), KeyError("x"), StopIteration()])
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
def test_a_long_answer_passes_batch_by_batch(rest: list[Event]) -> None:
    asked = [*LONG, *rest]
    name = yielding(asked, waits=False)
    come = list(drive(execute(Request(config=ProviderConfig(provider=name), inputs=ASK))))
    assert come[1:-1] == asked
    assert isinstance(come[-1], Result) and come[-1].cause is None


@pytest.mark.parametrize("wrong", ["hello", Delta(1, "x"), Delta(text="x", reasoning="y")], ids=str)
def test_a_long_answer_is_shown_up_to_what_breaks_the_rules(wrong: Any) -> None:
    name = yielding([*LONG, *LONG[:7], wrong, *LONG, Finish()], waits=False)
    come = list(drive(execute(Request(config=ProviderConfig(provider=name), inputs=ASK))))
    last = come[-1]
    assert isinstance(last, Result) and last.cause is not None and last.cause.code == "ERR_PROVIDER"
    assert come[1 : len(LONG) + 8] == [*LONG, *LONG[:7]]


@pytest.mark.parametrize("part", ["prepare", "check_inputs", "check", "notes"])
def test_a_part_that_crashes_is_the_providers_fault_and_its_traceback_is_told(part: str) -> None:
    def crashes(*_: Any) -> Any:
        raise KeyError("x")

    name = named(type("Crashes", (Bare,), {part: crashes}))
    events = list(drive(execute(Request(config=ProviderConfig(provider=name), inputs=ASK, mode="real"))))
    assert f"{HERE}:Crashes failed with KeyError: 'x'" in refusal(name, mode="real")["message"]
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


def test_a_provider_that_is_cancelled_is_not_at_fault() -> None:
    class Waits(LLMProvider):
        async def stream(self, request: Request) -> AsyncGenerator[Event]:
            yield Delta(text="a")
            await asyncio.sleep(60)

    async def cancelled() -> None:
        request = Request(config=ProviderConfig(provider=named(Waits)), inputs=ASK)
        await asyncio.wait_for(collected(request), 0.05)

    with pytest.raises(TimeoutError):
        asyncio.run(cancelled())


# -- embeddings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], "gave no embeddings"),
        (SOUND, "gave no embeddings"),
        ([Output("vectors", JSON, [[1.0]])], "gave no embeddings"),
        ([Output("embeddings", JSON, "no")], "a list of lists of numbers"),
        ([Output("embeddings", JSON, [[]])], "a list of lists of numbers"),
        ([Output("embeddings", JSON, [["1"]])], "a list of lists of numbers"),
        ([Output("embeddings", JSON, [[float("nan")]])], "a list of lists of numbers"),
        ([Output("embeddings", "text/plain", "[]")], "application/json"),
    ],
)
def test_embeddings_are_lists_of_numbers(events: list[Any], expected: str) -> None:
    name = yielding(events, waits=False)
    sys.modules[HERE].Echo.operations = ("embeddings",)
    request = Request(config=ProviderConfig(provider=name), inputs={"model": "m", "input": "x"}, operation="embeddings")
    events = list(drive(execute(request)))
    error = events[-1].envelope["error"]
    assert error["code"] == "ERR_PROVIDER" and expected in error["message"]
