"""run, arun, stream and astream: the same calls for threads and event loops, and what they share."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest

from theoryctl_providers import (
    Delta,
    Envelope,
    Event,
    Finish,
    LLMProvider,
    ProviderError,
    Request,
    Result,
    Started,
    arun,
    astream,
    run,
    stream,
)

HERE = "test_calls_providers"
HI = {"messages": [{"role": "user", "content": "Hi"}]}
CALLER: ContextVar[str] = ContextVar("CALLER", default="nobody")


class Loops(LLMProvider):
    """Says in which event loop it was asked, and by whom."""

    default_model = "loops-1"

    async def stream(self, request: Request) -> AsyncIterator[Event]:
        await asyncio.sleep(0)
        yield Delta(text=f"{id(asyncio.get_running_loop())} {CALLER.get()}")
        yield Finish()


class Endless(LLMProvider):
    """Never ends by itself; `ended` counts the calls that were."""

    default_model = "endless-1"
    ended = 0

    async def stream(self, request: Request) -> AsyncIterator[Event]:
        try:
            yield Delta(text="wait")
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            Endless.ended += 1


class Nested(LLMProvider):
    """Asks another provider from inside its own call, in a way that could never end, or in one that does."""

    default_model = "nested-1"

    async def stream(self, request: Request) -> AsyncIterator[Event]:
        waits = str(request.inputs["messages"][0]["content"]) == "run"
        envelope = run(HI, provider=f"{HERE}:Loops") if waits else await arun(HI, provider=f"{HERE}:Loops")
        yield Delta(text=str(envelope["status"]))
        yield Finish()


class Exits(LLMProvider):
    default_model = "exits-1"

    async def stream(self, request: Request) -> AsyncIterator[Event]:
        yield Delta(text="x")
        raise SystemExit(7)


@pytest.fixture(autouse=True)
def _as_an_installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, HERE, sys.modules[__name__])


def text(envelope: Envelope) -> str:
    return str(envelope["outputs"][0].get("text"))


def ask_in_a_loop(inputs: Any, **options: Any) -> Envelope:
    return asyncio.run(arun(inputs, **options))


def ask_a_stream(inputs: Any, **options: Any) -> Envelope:
    *_, last = stream(inputs, **options)
    assert isinstance(last, Result)
    return last.envelope


def ask_a_stream_in_a_loop(inputs: Any, **options: Any) -> Envelope:
    async def last() -> Envelope:
        events = [event async for event in astream(inputs, **options)]
        assert isinstance(events[-1], Result)
        return events[-1].envelope

    return asyncio.run(last())


def ask_inside_a_running_loop(inputs: Any, **options: Any) -> Envelope:
    async def inside() -> Envelope:
        return run(inputs, **options)

    return asyncio.run(inside())


WAYS = [run, ask_in_a_loop, ask_a_stream, ask_a_stream_in_a_loop, ask_inside_a_running_loop]


@pytest.mark.parametrize("ask", WAYS)
@pytest.mark.parametrize("provider", ["mock", "litellm", f"{HERE}:Loops"])
def test_every_way_to_ask_gives_the_same_answer(ask: Callable[..., Envelope], provider: str) -> None:
    assert ask(HI, provider=provider)["outputs"] == run(HI, provider=provider)["outputs"]


def test_calls_of_all_threads_and_loops_share_one_event_loop() -> None:
    with ThreadPoolExecutor(8) as threads:
        calls = [threads.submit(ask, HI, provider=f"{HERE}:Loops") for ask in WAYS for _ in range(8)]
        assert len({text(call.result()).split()[0] for call in calls}) == 1


@pytest.mark.parametrize("ask", WAYS)
def test_a_provider_sees_its_callers_context(ask: Callable[..., Envelope]) -> None:
    token = CALLER.set("me")
    try:
        assert text(ask(HI, provider=f"{HERE}:Loops")).split()[1] == "me"
    finally:
        CALLER.reset(token)


def test_a_closed_stream_returns_when_its_call_has_ended() -> None:
    before = Endless.ended
    events = stream(HI, provider=f"{HERE}:Endless")
    assert isinstance(next(events), Started)
    assert next(events) == Delta(text="wait")
    events.close()
    assert Endless.ended == before + 1
    assert run(HI, provider=f"{HERE}:Loops")["status"] == "success"


def test_a_cancelled_task_ends_its_call_and_the_next_one_is_answered() -> None:
    async def cancel() -> Envelope:
        task = asyncio.create_task(arun(HI, provider=f"{HERE}:Endless"))
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        return await arun(HI, provider=f"{HERE}:Loops")

    before = Endless.ended
    assert asyncio.run(cancel())["status"] == "success"
    assert Endless.ended == before + 1


def test_a_stream_that_nobody_closes_ends_where_it_is_forgotten() -> None:
    before = Endless.ended
    for event in stream(HI, provider=f"{HERE}:Endless"):
        if isinstance(event, Delta):
            break
    del event
    assert Endless.ended == before + 1


def test_a_provider_that_waits_for_a_call_in_its_own_loop_is_told_the_way_that_works() -> None:
    with pytest.raises(ProviderError) as caught:
        run({"messages": [{"role": "user", "content": "run"}]}, provider=f"{HERE}:Nested")
    assert caught.value.code == "ERR_USAGE" and "arun" in str(caught.value.hint)
    assert text(run(HI, provider=f"{HERE}:Nested")) == "success"


@pytest.mark.parametrize("ask", WAYS)
def test_a_provider_that_exits_fails_and_ends_neither_caller_nor_loop(ask: Callable[..., Envelope]) -> None:
    with pytest.raises(ProviderError, match="Exits failed with SystemExit"):
        ask(HI, provider=f"{HERE}:Exits")
    assert run(HI, provider=f"{HERE}:Loops")["status"] == "success"


PROGRAM = """
import asyncio, os, sys
from theoryctl_providers import Delta, Finish, LLMProvider, run

class Kept(LLMProvider):
    default_model = "kept-1"

    async def stream(self, request):
        await asyncio.sleep(0)
        self.loop = asyncio.get_running_loop()
        yield Delta(text="x")
        yield Finish()

    async def aclose(self):
        print("closed", asyncio.get_running_loop() is self.loop, flush=True)

sys.modules["kept"] = sys.modules[__name__]
ask = lambda: run({"messages": [{"role": "user", "content": "Hi"}]}, provider="kept:Kept")
ask()
ask()
"""


def program(more: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "dev", "-c", PROGRAM + more]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


def test_a_provider_is_closed_once_when_the_process_ends_in_the_loop_that_it_was_used_in() -> None:
    done = program()
    assert (done.returncode, done.stdout, done.stderr) == (0, "closed True\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_asks_in_a_loop_of_its_own() -> None:
    done = program("if os.fork():\n    os.wait()\nelse:\n    print(ask()['status'], flush=True)\n")
    assert (done.returncode, done.stdout) == (0, "success\nclosed True\nclosed True\n")


def test_a_call_that_is_in_the_middle_does_not_keep_the_process() -> None:
    more = "from theoryctl_providers import stream\nevents = stream({'messages': [{'role': 'user', 'content': 'Hi'}]}, "
    done = program(more + "provider='kept:Kept')\nnext(events), next(events)\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "closed True\n", "")


@pytest.mark.parametrize("ask", WAYS)
def test_an_argument_that_there_is_not_is_a_type_error(ask: Callable[..., Envelope]) -> None:
    with pytest.raises(TypeError, match="did you mean 'provider'"):
        ask(HI, provdier="mock")


def test_a_class_without_a_default_model_wants_one_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nameless(Loops):
        default_model = None  # type: ignore[assignment]

    monkeypatch.setattr(sys.modules[__name__], "Nameless", Nameless, raising=False)
    with pytest.raises(ProviderError, match="'model' is missing") as caught:
        run(HI, provider=f"{HERE}:Nameless")
    assert "Nameless.default_model" in str(caught.value.hint)
    assert run({**HI, "model": "x"}, provider=f"{HERE}:Nameless")["model"] == "x"
