"""The one conversation of every wire: a request becomes inputs, the engine's events an answer, whole or in pieces."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.types import Receive, Scope, Send

from theoryctl_providers.asgi.body import receive_whole
from theoryctl_providers.asgi.connection import COMPUTED, hung_up, note_envelope, while_connected
from theoryctl_providers.asgi.hints import RESTARTED
from theoryctl_providers.asgi.journal import ANSWERED_BY, ENTRY, NOTES
from theoryctl_providers.contract import (
    Event,
    Operation,
    ProviderConfig,
    ProviderError,
    Request,
    Result,
    Started,
    VendorInfo,
    canonical,
    is_mock,
    loads,
    sha256,
)
from theoryctl_providers.contract.answer import Answer
from theoryctl_providers.contract.calls import Tools
from theoryctl_providers.contract.wire import Limits, ServerConfig
from theoryctl_providers.engine.drive import served
from theoryctl_providers.inputs.normalize import UNCOUNTED, normalized
from theoryctl_providers.wires.dialect import Dialect
from theoryctl_providers.wires.failure import Failure, failed, refused
from theoryctl_providers.wires.mode import note_mode, note_mode_of_refused, tools_of
from theoryctl_providers.wires.reply import EVENT_STREAM, Reply, Whole
from theoryctl_providers.wires.tenant import Tenant, asking_tenant

#: 2000-01-01T00:00:00Z: what a mock gives as the time of its answer, for it has no clock.
NO_TIME = 946684800

#: Events, and once a client is watched seconds, after which an answer that need not wait lets others have their turn.
TURN, SHARE = 16, 0.0002


class Chunks(Protocol):
    """Writes an answer in pieces. Subclass it to inherit the defaults of the optional parts."""

    def piece(self, event: Event) -> bytes:
        """Write what an event becomes; nothing for most."""
        ...

    def end(self) -> bytes:
        """Write what comes after the last event of an answer."""
        return b""

    def failed(self, failure: Failure) -> bytes:
        """Write what comes in its place where the answer broke off."""
        return b""


class Exchange(Protocol):
    """One request as a dialect has it, and what writes its answer. Subclass it to inherit the defaults.

    `inputs` are in the engine's vocabulary; nulls, models without a vendor and parameters about the caller stay as they
    came, for the engine understands them.
    """

    inputs: Mapping[str, Any]
    operation: Operation = "chat"

    #: Whether the answer is wanted in pieces, and their media type.
    streamed: bool = False
    kind: bytes = EVENT_STREAM

    #: The answer to a request that asks no model for anything; None for all others.
    told: bytes | None = None

    #: Whether `begin` wants to know what is known of the usage by then.
    early_usage: bool = False

    #: Whether what comes before the answer leaves at once, for it tells why the answer takes long.
    live: bool = False

    #: Writes the pieces, as soon as it is there: `begin` makes it at the latest. None where none are wanted.
    chunks: Chunks | None = None

    #: More of the engine's `Request`: its mode, vendor, time-out, run id or attachments.
    options: Mapping[str, Any] = {}

    @property
    def params(self) -> Mapping[str, str]:
        """Paths into the inputs, and what the request calls them where that is something else."""
        return {}

    def events(self, call: Request) -> AsyncGenerator[Event]:
        """Give the events of the answer to `call`, the request of these inputs: the engine's."""
        return served(call)

    def begin(self, call: Request, started: Started) -> None:
        """Take note that the answer to `call` begins."""
        return

    def whole(self, result: Result) -> bytes:
        """Write a successful answer as one document. Raises ProviderError for one that this dialect cannot write."""
        ...

    def close(self) -> None:
        """Let go of what came with the request."""
        return


#: Makes an exchange of a request. Raises ProviderError for one that cannot be translated; ClientGone.
Read = Callable[[Scope, Receive], Awaitable[Exchange]]


class Answering:
    """The ASGI application that answers one path of a dialect by asking the engine."""

    def __init__(self, dialect: Dialect, config: ServerConfig, read: Read) -> None:
        self._dialect, self._own, self._read = dialect, Tenant(config.provider), read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            tools = tools_of(scope)
            exchange = await self._read(scope, receive)
        except ProviderError as error:
            note_mode_of_refused(scope, self._config_for(scope))
            await Reply(scope, send).whole(self._dialect.failure(refused(scope, error)))
            return
        note_mode(scope, exchange.inputs, exchange.options.get("mode"), self._config_for(scope))
        if exchange.told is not None:
            await Reply(scope, send).whole(Whole(exchange.told))
            return
        try:
            call = self._call(exchange, scope, tools)
            scope["theoryctl.run_id"] = call.run_id
            await _Conversation(self._dialect, exchange, call, scope, receive, send).run()
        finally:
            exchange.close()

    def _config_for(self, scope: Scope) -> ProviderConfig:
        return (asking_tenant(scope) or self._own).config

    def _call(self, exchange: Exchange, scope: Scope, tools: Tools | None) -> Request:
        return Request(
            config=self._config_for(scope),
            inputs=exchange.inputs,
            parsed=True,
            operation=exchange.operation,
            streamed=exchange.streamed,
            tools=tools,
            early_usage=exchange.early_usage,
            **exchange.options,
        )


class _Conversation:
    """One exchange, from the first event to the last."""

    def __init__(
        self, dialect: Dialect, exchange: Exchange, call: Request, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._dialect, self._exchange, self._call = dialect, exchange, call
        self._scope, self._receive = scope, receive
        headers = [(dialect.id_header, call.run_id.encode())] if dialect.id_header else ()
        self._reply = Reply(scope, send, headers, exchange.kind)
        self._reply.live = exchange.live

    async def run(self) -> None:
        """Answer. A short answer of a provider that never waits leaves nothing to cancel: it pays for no tasks."""
        exchange = self._exchange
        async with aclosing(exchange.events(self._call)) as events:
            async for event in events:
                if isinstance(event, Started):
                    self._note(event)
                    exchange.begin(self._call, event)
                    self._reply.live = exchange.live or event.suspends
                await self._take(event, exchange.chunks)
                if isinstance(event, Started):
                    self._reply.live = event.suspends
                    if event.suspends or not await self._take_turn(events, exchange.chunks):
                        await while_connected(self._receive, self._take_all(events, exchange.chunks))

    def _note(self, started: Started) -> None:
        """Tell the connection, and the journal, which shows nothing of what a vendor is asked, before it answers."""
        if not started.suspends:
            self._scope[COMPUTED] = True
        if (entry := self._scope.get(ENTRY)) is not None:
            entry.mode = started.mode

    async def _take_all(self, events: AsyncGenerator[Event], chunks: Chunks | None) -> None:
        while not await self._take_turn(events, chunks, SHARE):
            await asyncio.sleep(0)

    async def _take_turn(self, events: AsyncGenerator[Event], chunks: Chunks | None, seconds: float = 0) -> bool:
        """Take the next events, some of which cost a hundred times what others do; say whether they were the last.

        Without `seconds` their number alone counts.
        """
        number, end = 0, time.perf_counter() + seconds if seconds else math.inf
        async for event in events:
            if chunks is not None or isinstance(event, Result):
                await self._take(event, chunks)
            number += 1
            if number == TURN or (seconds and time.perf_counter() > end):
                return False
        return True

    async def _take(self, event: Event, chunks: Chunks | None) -> None:
        if isinstance(event, VendorInfo):
            self._reply.add(self._dialect.vendor_headers(event.headers))
        if chunks is not None and (piece := chunks.piece(event)):
            await self._reply.write(piece)
        if isinstance(event, Result):
            note_envelope(self._scope, event.envelope, self._call.operation)
            self._scope[ANSWERED_BY], self._scope[NOTES] = event.answered_by, event.notes
            if (vendor := event.envelope["meta"]["vendor"]) is not None:
                self._reply.add(self._dialect.vendor_headers(vendor["headers"]))
            await (self._end(event, chunks) if event.cause is None else self._fail(event, chunks))

    async def _end(self, result: Result, chunks: Chunks | None) -> None:
        if chunks is not None:
            await self._close(chunks.end())
            return
        try:
            answer = Whole(self._exchange.whole(result))
        except ProviderError as error:
            answer = self._dialect.failure(refused(self._scope, error))
        await self._reply.whole(answer)

    async def _fail(self, result: Result, chunks: Chunks | None) -> None:
        """Write an error with its status as long as none was promised, and after that one among the pieces."""
        kind = getattr(result.cause, "kind", "error") if self._dialect.plays_faults else "error"
        tenant = asking_tenant(self._scope)
        failure = failed(result, self._exchange.params, tenant.renewal if tenant else RESTARTED)
        if kind == "disconnect":
            await self._reply.cut()
            await hung_up(self._receive)
        elif kind == "truncate" and chunks is not None:
            await self._reply.close()
        elif chunks is None or not self._reply.begun:
            await self._reply.whole(self._dialect.failure(failure))
        else:
            await self._close(chunks.failed(failure))

    async def _close(self, last: bytes) -> None:
        if last:
            await self._reply.write(last)
        await self._reply.close()


@dataclass(frozen=True, slots=True)
class Head:
    """The identity of an answer. `created` is in seconds since the epoch, `model` as it was asked for."""

    key: str
    created: int
    model: str


def head_of(call: Request, started: Started, model: Any) -> Head:
    """Make the head of an answer: a mock's comes from the inputs, not from chance or a clock."""
    name = model if isinstance(model, str) else started.model
    if not is_mock(started.mode):
        return Head(call.run_id.removeprefix("run_"), int(time.time()), name)
    asked = normalized(call.inputs, {}, call.vendor)
    counted = {key: value for key, value in asked.items() if key not in UNCOUNTED}
    return Head(sha256(canonical(counted, checked=True))[7:31], NO_TIME, name)


class HeadedExchange(Exchange):
    """An exchange whose answer has an id and a time, and repeats the name of the model."""

    #: The model as it was asked for.
    model: Any
    head: Head

    def begin(self, call: Request, started: Started) -> None:
        """Give the answer its id and time."""
        self.head = head_of(call, started, self.model)
        self.chunks = self.chunked(self.head) if self.streamed else None

    def chunked(self, head: Head) -> Chunks:
        """Make what writes the answer in pieces."""
        raise NotImplementedError

    @staticmethod
    def answer_of(result: Result) -> Answer:
        """The answer of a run that went well."""
        assert result.answer is not None
        return result.answer


def vectors_of(result: Result) -> list[list[float]]:
    """The vectors of an answer. Raises ProviderError `ERR_BAD_RESPONSE` where it has none."""
    outputs = HeadedExchange.answer_of(result).outputs
    output = next((output for output in outputs if output.name == "embeddings"), None)
    if output is None:
        raise ProviderError("ERR_BAD_RESPONSE", "the provider gave no embeddings", hint="use another provider")
    vectors: list[list[float]] = output.value
    return vectors


async def json_object(receive: Receive, limits: Limits) -> dict[str, Any]:
    """Read a body that is one JSON object. Raises ProviderError `ERR_INPUTS`, `ERR_TOO_LARGE`; ClientGone."""
    body = loads(await receive_whole(receive, limits), what="the body")
    if not isinstance(body, dict):
        raise ProviderError("ERR_INPUTS", "the body: expected an object", hint="send a JSON object")
    return body
