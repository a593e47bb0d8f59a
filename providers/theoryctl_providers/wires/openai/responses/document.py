"""A `response` of the Responses API as a document, and as the typed events that build it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from theoryctl_providers.contract import Delta, Event, Finish, Usage
from theoryctl_providers.wires.exchange import Chunks, Head
from theoryctl_providers.wires.failure import Failure
from theoryctl_providers.wires.openai.errors import error_object
from theoryctl_providers.wires.openai.responses.output_items import CallItem, Item, TextItem

#: What OpenAI says of an answer that ended for one of these reasons: it is incomplete, and why.
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


class Response:
    """The response so far. `echo` are the parameters of the request that the answer repeats."""

    def __init__(self, head: Head, echo: Mapping[str, Any]) -> None:
        self.items: list[Item] = []
        self.finish = "stop"
        self.usage = Usage()
        self._key = head.key
        self._start = (
            f'{{"id":"resp_{head.key}","object":"response","created_at":{head.created},"model":{quoted(head.model)},'
            f'"background":false,"previous_response_id":null,"store":false,{json.dumps(echo)[1:-1]},'
        )

    @property
    def status(self) -> str:
        return "incomplete" if self.finish in _INCOMPLETE else "completed"

    def add_text(self) -> TextItem:
        """The message, which there is one of."""
        item = TextItem(self._key, len(self.items))
        self.items.append(item)
        return item

    def add_call(self, index: int, name: str, call_id: str) -> CallItem:
        """The function call of that number."""
        item = CallItem(self._key, len(self.items), index, name, call_id)
        self.items.append(item)
        return item

    def text(self) -> TextItem | None:
        return next((item for item in self.items if isinstance(item, TextItem)), None)

    def call(self, index: int) -> CallItem | None:
        return next((item for item in self.items if isinstance(item, CallItem) and item.index == index), None)

    def begun(self) -> str:
        """The document before anything was said."""
        return self._written("in_progress", "null", "null", "null", [])

    def ended(self) -> str:
        """The document once all was said."""
        details = f'{{"reason":"{_INCOMPLETE[self.finish]}"}}' if self.status == "incomplete" else "null"
        return self._written(self.status, "null", details, _usage(self.usage), self.items)

    def failed(self, code: str, message: str) -> str:
        """The document of an answer that broke off."""
        return self._written("failed", json.dumps({"code": code, "message": message}), "null", "null", self.items)

    def _written(self, status: str, error: str, details: str, usage: str, items: list[Item]) -> str:
        output = ",".join(item.document(status) for item in items)
        return (
            f'{self._start}"status":"{status}","error":{error},"incomplete_details":{details},'
            f'"output":[{output}],"usage":{usage}}}'
        )


class ResponseEvents(Chunks):
    """An answer as typed server-sent events, `response.created` to `response.completed`."""

    def __init__(self, response: Response) -> None:
        self._response = response
        self._number = 0

    def piece(self, event: Event) -> bytes:
        """The events that one of the engine's becomes; none for most."""
        if isinstance(event, Delta):
            return "".join(self._delta(event)).encode()
        if isinstance(event, Finish):
            self._response.finish = event.reason
        elif isinstance(event, Usage):
            self._response.usage = event
        return b""

    def end(self) -> bytes:
        """The events after the last one."""
        response = self._response
        opened = [] if response.items else [*self._begin(), *self._open(response.add_text())]
        closed = [self._event(name, fields) for item in response.items for name, fields in item.closing()]
        last = self._event(f"response.{response.status}", f'"response":{response.ended()}')
        return "".join((*opened, *closed, last)).encode()

    def failed(self, failure: Failure) -> bytes:
        """A failure in the middle. Of the codes that OpenAI knows for it, two fit."""
        told = "rate_limit_exceeded" if failure.code in ("ERR_RATE_LIMITED", "ERR_QUOTA") else "server_error"
        document = self._response.failed(told, error_object(failure)["message"])
        return self._event("response.failed", f'"response":{document}').encode()

    def _delta(self, event: Delta) -> Iterator[str]:
        text = event.text if event.tool_call is None else event.tool_call.arguments
        if text is None:
            return
        item = self._item(event)
        if item is None:
            if not self._response.items:
                yield from self._begin()
            item = self._new(event)
            yield from self._open(item)
        if text:
            item.pieces.append(text)
            yield self._event(item.delta_name, item.delta(text))

    def _item(self, event: Delta) -> Item | None:
        response, call = self._response, event.tool_call
        return response.text() if call is None else response.call(call.index)

    def _new(self, event: Delta) -> Item:
        response, call = self._response, event.tool_call
        return response.add_text() if call is None else response.add_call(call.index, call.name or "", call.id or "")

    def _begin(self) -> Iterator[str]:
        document = self._response.begun()
        yield self._event("response.created", f'"response":{document}')
        yield self._event("response.in_progress", f'"response":{document}')

    def _open(self, item: Item) -> Iterator[str]:
        for name, fields in item.opening():
            yield self._event(name, fields)

    def _event(self, name: str, fields: str) -> str:
        number, self._number = self._number, self._number + 1
        return f'event: {name}\ndata: {{"type":"{name}","sequence_number":{number},{fields}}}\n\n'


def _usage(usage: Usage) -> str:
    if usage.input_tokens is None or usage.output_tokens is None:
        return "null"
    sent, got = usage.input_tokens, usage.output_tokens
    return (
        f'{{"input_tokens":{sent},"input_tokens_details":{{"cached_tokens":0,"cache_write_tokens":0}},'
        f'"output_tokens":{got},"output_tokens_details":{{"reasoning_tokens":0}},"total_tokens":{sent + got}}}'
    )
