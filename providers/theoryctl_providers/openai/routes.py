"""The OpenAI routes of a started provider: each translates to and from `engine.execute`, and nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from theoryctl_providers.asgi.body import receive_whole
from theoryctl_providers.asgi.connection import note_envelope, while_connected
from theoryctl_providers.contract import (
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
    resolve_mode,
    sha256,
)
from theoryctl_providers.contract.answer import Answer
from theoryctl_providers.contract.wire import ServerConfig
from theoryctl_providers.engine.execute import execute
from theoryctl_providers.openai.body import NO_TIME, Head, mode_of
from theoryctl_providers.openai.chat import ChatCompletion
from theoryctl_providers.openai.embeddings import Embeddings
from theoryctl_providers.openai.errors import error_object
from theoryctl_providers.openai.models import model_document, models_document
from theoryctl_providers.openai.reply import Reply, info_of
from theoryctl_providers.openai.responses import ResponsesCall

#: Below this path, which holds the id of a model, everything is one route.
MODEL = "/v1/models/"


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


def openai_routes(config: ServerConfig) -> dict[tuple[str, str], ASGIApp]:
    """Method and path of each route, and the ASGI application that answers it."""
    models = _Models(config)
    return {
        ("POST", "/v1/chat/completions"): _Route(config, ChatCompletion),
        ("POST", "/v1/responses"): _Route(config, ResponsesCall),
        ("POST", "/v1/embeddings"): _Route(config, Embeddings),
        ("GET", "/v1/models"): models,
        ("GET", MODEL): models,
    }


class _Models:
    def __init__(self, config: ServerConfig) -> None:
        self._config = config.provider

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = Reply(scope, send)
        try:
            document = self._document(scope["path"].removeprefix(MODEL), mode_of(scope["headers"]))
        except ProviderError as error:
            await reply.error(info_of(error), error)
        else:
            await reply.whole(json.dumps(document).encode())

    def _document(self, name: str, asked: Mode | None) -> dict[str, Any]:
        mode = resolve_mode({}, asked, self._config.mode)
        return models_document(self._config) if name == "/v1/models" else model_document(name, mode, self._config)


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
