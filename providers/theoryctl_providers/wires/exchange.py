"""The OpenAI routes of a started provider: each translates to and from `engine.execute`, and nothing else."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.types import Receive, Scope, Send

from theoryctl_providers.asgi.body import receive_whole
from theoryctl_providers.asgi.connection import note_envelope, while_connected
from theoryctl_providers.contract import (
    MODES,
    Event,
    Mode,
    Operation,
    ProviderError,
    Request,
    Result,
    Started,
    canonical,
    is_mock,
    loads,
    sha256,
)
from theoryctl_providers.contract.answer import Answer
from theoryctl_providers.contract.envelope import info_of
from theoryctl_providers.contract.wire import ServerConfig
from theoryctl_providers.engine.execute import execute
from theoryctl_providers.wires.openai.errors import error_object
from theoryctl_providers.wires.openai.reply import Reply


class Chunks(Protocol):
    """Writes an answer in pieces, as server-sent events."""

    def piece(self, event: Event) -> bytes:
        """What an event becomes; nothing for most."""
        ...

    def end(self) -> bytes:
        """What comes after the last event."""
        ...

    def failed(self, error: Mapping[str, Any], code: str) -> bytes:
        """What comes in its place: `error` is OpenAI's error object, `code` ours."""
        ...


class Exchange(Protocol):
    """A request in one of OpenAI's formats, and what writes its answer in the same."""

    operation: Operation
    inputs: dict[str, Any]
    #: The model as it was asked for.
    model: Any

    @property
    def chunks(self) -> Callable[[Head], Chunks] | None:
        """Makes what writes the answer in pieces; None where it is wanted whole."""
        ...

    @property
    def params(self) -> Mapping[str, str]:
        """What inputs are called in this format, where that is something else."""
        ...

    def whole(self, head: Head, answer: Answer) -> bytes:
        """The answer as one JSON document."""
        ...


#: Made of a body and the instance's default model. Raises ProviderError for a body that cannot be translated.
MakeExchange = Callable[[Mapping[str, Any], str | None], Exchange]


class _Route:
    """Answers one path by asking the engine."""

    def __init__(self, config: ServerConfig, make: MakeExchange) -> None:
        self._config, self._make = config, make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            exchange = self._make(await self._body(receive), self._config.provider.default_model)
            mode = mode_of(scope["headers"])
        except ProviderError as error:
            await Reply(scope, send).error(info_of(error), error)
            return
        call = Request(
            config=self._config.provider,
            inputs=exchange.inputs,
            parsed=True,
            mode=mode,
            operation=exchange.operation,
            streamed=exchange.chunks is not None,
        )
        scope["theoryctl.run_id"] = call.run_id
        await _Conversation(scope, receive, Reply(scope, send, call.run_id), exchange, call).run()

    async def _body(self, receive: Receive) -> dict[str, Any]:
        body = loads(await receive_whole(receive, self._config.limits), what="the body")
        if not isinstance(body, dict):
            raise ProviderError("ERR_INPUTS", "the body: expected an object", hint='{"model": …, "messages": […]}')
        return body


class _Conversation:
    """One exchange, from the first event to the last."""

    def __init__(self, scope: Scope, receive: Receive, reply: Reply, exchange: Exchange, call: Request) -> None:
        self._scope, self._receive, self._reply = scope, receive, reply
        self._exchange, self._call = exchange, call

    async def run(self) -> None:
        """Answer. Where the provider never waits there is nothing to cancel, so that it need not pay for two tasks."""
        events = execute(self._call)
        async for event in events:
            if isinstance(event, Result):
                await self._fail(event)
            elif isinstance(event, Started):
                self._reply.live = event.suspends
                answer = self._answer(events, self._head(event))
                await (while_connected(self._receive, answer) if event.suspends else answer)

    def _head(self, started: Started) -> Head:
        """What a mock says of an answer's identity and time comes from the inputs, not from chance or a clock."""
        model = self._exchange.model if isinstance(self._exchange.model, str) else started.model
        if is_mock(started.mode):
            return Head(sha256(canonical(self._exchange.inputs, checked=True))[7:31], NO_TIME, model)
        return Head(self._call.run_id.removeprefix("run_"), int(time.time()), model)

    async def _answer(self, events: AsyncGenerator[Event], head: Head) -> None:
        if self._exchange.chunks is None:
            await self._whole(events, head)
        else:
            await self._stream(events, self._exchange.chunks(head))

    async def _whole(self, events: AsyncGenerator[Event], head: Head) -> None:
        async for event in events:
            if isinstance(event, Result):
                if event.cause is not None:
                    await self._fail(event)
                    return
                note_envelope(self._scope, event.envelope)
                assert event.answer is not None
                try:
                    body = self._exchange.whole(head, event.answer)
                except ProviderError as error:
                    await self._reply.error(info_of(error), error)
                else:
                    await self._reply.whole(body)

    async def _stream(self, events: AsyncGenerator[Event], chunks: Chunks) -> None:
        async for event in events:
            if isinstance(event, Result):
                if event.cause is not None:
                    await self._fail(event, chunks)
                    return
                note_envelope(self._scope, event.envelope)
                await self._reply.write(chunks.end())
                await self._reply.close()
            elif piece := chunks.piece(event):
                await self._reply.write(piece)

    async def _fail(self, result: Result, chunks: Chunks | None = None) -> None:
        """An error with its status as long as none was promised, and after that one in the stream."""
        note_envelope(self._scope, result.envelope)
        info, cause = result.envelope["error"], result.cause
        assert info is not None
        kind = getattr(cause, "kind", "error")
        if kind == "disconnect":
            await self._reply.hang_up(self._receive)
        elif kind == "truncate" and chunks is not None:
            await self._reply.close()
        elif chunks is None or not self._reply.begun:
            await self._reply.error(info, cause, params=self._exchange.params)
        else:
            await self._reply.write(chunks.failed(error_object(info, cause, self._exchange.params), info["code"]))
            await self._reply.close()


#: The header that says the mode of one request.
MODE_HEADER = "X-Theoryctl-Mode"


#: 2000-01-01T00:00:00Z: what a mock gives as the time of its answer, for it has no clock.
NO_TIME = 946684800


@dataclass(frozen=True, slots=True)
class Head:
    """What stands at the top of every answer. `created` is in seconds since the epoch."""

    key: str
    created: int
    model: str


def mode_of(headers: list[tuple[bytes, bytes]]) -> Mode | None:
    """The mode that the header `X-Theoryctl-Mode` asks for. Raises ProviderError `ERR_INPUTS` for one that is none."""
    asked = next((value for name, value in headers if name == MODE_HEADER.lower().encode()), None)
    if asked is None:
        return None
    given = asked.decode("latin-1").strip().lower()
    for mode in MODES:
        if given == mode:
            return mode
    message = f"the header {MODE_HEADER}: {given!r} is not one of {', '.join(MODES)}"
    raise ProviderError("ERR_INPUTS", message, hint=f"{MODE_HEADER}: mock", param=MODE_HEADER)
