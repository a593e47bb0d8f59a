"""The provider seam: what ends a program or a task, raised by the class itself, ends the request and no more."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.providers.engine.seam import ASK, HERE, Bare, named, refusal
from tests.providers.started import BODY, CONFIG, TOKEN, serving
from theoryctl_providers import LLMProvider, get_llm_provider, run
from theoryctl_providers.contract import Delta, Event, Finish, Mode, ProviderConfig, ProviderError, Request
from theoryctl_providers.server.thread import serving as in_thread

pytestmark = pytest.mark.usefixtures("module")

PARTS = ["prepare", "is_prepared", "check_inputs", "check", "notes"]
STRAYS = [SystemExit(0), asyncio.CancelledError(), GeneratorExit(), BaseException("x")]


def raising(error: BaseException) -> Any:
    def raises(*_: Any) -> Any:
        raise error

    return raises


def answer_of(name: str) -> tuple[int, Any, list[Any]]:
    """The status and the document that a server answers for a provider, and the lines of its log."""
    lines: list[str] = []
    config = replace(CONFIG, provider=ProviderConfig(provider=name))
    with (
        serving(config, log=lines.append) as (port, _),
        closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection,
    ):
        connection.request("POST", "/v1/run", BODY, {"authorization": f"Bearer {TOKEN}"})
        response = connection.getresponse()
        answer = response.status, json.loads(response.read())
    return *answer, list(map(json.loads, lines))


@pytest.mark.parametrize("raised", STRAYS, ids=repr)
@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_would_end_the_program_ends_the_request_and_is_named(part: str, raised: BaseException) -> None:
    name = named(type("Strays", (Bare,), {part: raising(raised), "loads": "a model"}))
    message = refusal(name, mode="real")["message"]
    assert message.startswith(f"{HERE}:Strays.{part} failed with {type(raised).__name__}")
    assert message.endswith("expected a ProviderError")


@pytest.mark.parametrize("part", ["check_inputs", "is_prepared"])
def test_a_server_answers_for_a_part_that_would_end_it(part: str) -> None:
    name = named(type("Strays", (Bare,), {part: raising(SystemExit(0)), "loads": "a model"}))
    status, document, (line,) = answer_of(name)
    assert (status, document["error"]["code"], line["code"]) == (500, "ERR_PROVIDER", "ERR_PROVIDER")
    assert f"{HERE}:Strays.{part} failed with SystemExit" in document["error"]["message"]


@pytest.mark.parametrize("raised", STRAYS, ids=repr)
def test_a_class_that_would_end_the_program_when_it_is_made_is_refused(raised: BaseException) -> None:
    name = named(type("Strays", (Bare,), {"__init__": raising(raised)}))
    assert f"{HERE}:Strays() failed with {type(raised).__name__}" in refusal(name)["message"]


def test_a_module_that_would_end_the_program_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "acme_ends.py").write_text("raise SystemExit(0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    expected = "cannot be loaded: SystemExit: 0; expected a module that can be imported"
    with pytest.raises(ProviderError, match=expected) as caught:
        get_llm_provider("acme_ends:Echo")
    assert caught.value.code == "ERR_PROVIDER"


class Ending:
    """Events whose end is an exception, as is their closing."""

    def __init__(self, raised: BaseException) -> None:
        self.raised = raised
        self.left: Iterator[Event] = iter((Delta(text="a"), Finish()))

    def __aiter__(self) -> Ending:
        return self

    async def __anext__(self) -> Event:
        for event in self.left:
            return event
        raise StopAsyncIteration

    async def aclose(self) -> None:
        raise self.raised


@pytest.mark.parametrize("mode", ["mock", "real"])
@pytest.mark.parametrize("raised", STRAYS, ids=repr)
def test_events_whose_closing_would_end_the_program_end_the_request(raised: BaseException, mode: Mode) -> None:
    name = named(type("Ends", (LLMProvider,), {"stream": lambda self, request: Ending(raised)}))
    assert f"{HERE}:Ends failed with {type(raised).__name__}" in refusal(name, mode=mode)["message"]


def test_a_task_of_the_class_that_would_end_the_program_ends_the_request_and_the_next_is_answered() -> None:
    async def ends() -> None:
        raise SystemExit(0)

    class Tasks(LLMProvider):
        async def stream(self, request: Request) -> AsyncGenerator[Event]:
            await asyncio.create_task(ends())
            yield Finish()

    message = refusal(named(Tasks), mode="real")["message"]
    assert f"{HERE}:Tasks failed with SystemExit: 0" in message
    assert run(ASK, provider=named(type("Next", (Bare,), {})), mode="real", secrets={})["status"] == "success"


@pytest.mark.parametrize("raised", [SystemExit(0), KeyError("x")], ids=repr)
def test_a_class_that_cannot_be_closed_is_told_where_its_server_ends(raised: Exception) -> None:
    async def aclose(self: Any) -> None:
        raise raised

    config = replace(CONFIG, provider=ProviderConfig(provider=named(type("Stuck", (Bare,), {"aclose": aclose}))))
    told = f"{HERE}:Stuck.aclose failed with {type(raised).__name__}"
    with pytest.raises(ProviderError, match=told), in_thread(config):
        pass


@pytest.mark.parametrize("part", PARTS)
def test_ctrl_c_is_nobodys_fault(part: str) -> None:
    name = named(type("Interrupted", (Bare,), {part: raising(KeyboardInterrupt()), "loads": "a model"}))
    with pytest.raises(KeyboardInterrupt):
        run(ASK, provider=name, mode="real", secrets={})


def test_an_answer_that_is_left_early_is_closed_and_blames_nobody(module: ModuleType) -> None:
    closed: list[bool] = []

    class Left(LLMProvider):
        async def stream(self, request: Request) -> AsyncGenerator[Event]:
            try:
                yield Delta(text="a")
                yield Finish()
            finally:
                closed.append(True)

    async def leave() -> None:
        from theoryctl_providers.engine.execute import execute

        events = execute(Request(config=ProviderConfig(provider=named(Left)), inputs=ASK))
        async for event in events:
            if isinstance(event, Delta):
                break
        await events.aclose()

    asyncio.run(leave())
    assert closed == [True]
