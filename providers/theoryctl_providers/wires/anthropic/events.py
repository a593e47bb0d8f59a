"""A message of Anthropic's API in pieces: server-sent events, `message_start` to `message_stop`."""

from __future__ import annotations

import json
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from theoryctl_providers.contract import Annotation, Delta, Event, Finish, Output, ToolCallDelta, Usage, VendorInfo
from theoryctl_providers.contract.answer import place_of
from theoryctl_providers.wires.anthropic.errors import error_document
from theoryctl_providers.wires.anthropic.message import (
    STOP_SEQUENCE,
    UNENDED,
    citation_of,
    counted_so_far,
    ending,
    image_block,
    message,
    thinking_block,
    thinking_blocks,
    usage_document,
)
from theoryctl_providers.wires.exchange import Chunks, Head
from theoryctl_providers.wires.failure import Failure
from theoryctl_providers.wires.images import is_image

#: The block of text, and that of reasoning; a call of a tool is named by its number.
_TEXT, _THINKING = "text", "thinking"


class MessageEvents(Chunks):
    """Writes the events of one message, of which this API has one choice. One block is open at a time.

    `known` is what is known of the usage before the answer. It never stands for what is said at the end.
    """

    def __init__(self, head: Head, known: Usage) -> None:
        self._head, self._vendor = head, VendorInfo()
        self._known, self._usage, self._finish, self._is_refusal = known, Usage(), "stop", False
        self._stopped: Output | None = None
        #: The places of the blocks that were begun, and the one that is open.
        self._places: dict[str | int, int] = {}
        self._count = 0
        self._open: int | None = None
        self._is_begun = self._is_signed = False
        self._kept: list[dict[str, Any]] = []

    def piece(self, event: Event) -> bytes:
        """The events that one of the engine's becomes; none for some."""
        return self._written(event).encode() if getattr(event, "choice", 0) == 0 else b""

    def end(self) -> bytes:
        """The events after the last one."""
        empty = "" if self._said_something() else self._block(_TEXT, {"type": "text", "text": ""})
        delta = ending(self._finish, self._stopped, is_refusal=self._is_refusal)
        ended = {"delta": delta, "usage": usage_document(self._usage)}
        last = _event("message_delta", json.dumps(ended)[1:-1]) + _event("message_stop", "")
        return (empty + self._left() + self._closed() + last).encode()

    def failed(self, failure: Failure) -> bytes:
        """A failure in the middle: Anthropic's clients raise it."""
        return f"event: error\ndata: {json.dumps(error_document(failure))}\n\n".encode()

    def _written(self, event: Event) -> str:
        if isinstance(event, Delta):
            return self._delta(event)
        if isinstance(event, VendorInfo):
            self._vendor = event
            # The vendor has begun: a client, and what stands between, need not wait for the first word to see it.
            return self._begun()
        if isinstance(event, Annotation):
            return self._within(_TEXT, "citations_delta", f'"citation":{json.dumps(citation_of(event.value))}')
        if isinstance(event, Output):
            return self._output(event)
        if isinstance(event, Finish):
            self._finish = event.reason
        elif isinstance(event, Usage):
            self._known = self._usage = event
        return ""

    def _delta(self, event: Delta) -> str:
        if event.tool_call is not None:
            return self._call(event.tool_call)
        if event.reasoning:
            return self._within(_THINKING, "thinking_delta", f'"thinking":{quoted(event.reasoning)}')
        if event.signature:
            return self._signature(event.signature)
        if text := event.text or event.refusal:
            self._is_refusal = self._is_refusal or bool(event.refusal)
            return self._within(_TEXT, "text_delta", f'"text":{quoted(text)}')
        return ""

    def _signature(self, signature: str) -> str:
        """The end of a block of reasoning; the next one is another block."""
        self._is_signed = True
        signed = self._within(_THINKING, "signature_delta", f'"signature":{quoted(signature)}') + self._closed()
        del self._places[_THINKING]
        return signed

    def _call(self, piece: ToolCallDelta) -> str:
        opened = ""
        if piece.index not in self._places:
            start = {"type": "tool_use", "id": piece.id or "", "name": piece.name or "", "input": {}}
            opened = self._block(piece.index, start)
        if not piece.arguments:
            return opened
        fields = f'"partial_json":{quoted(piece.arguments)}'
        return opened + self._added(self._places[piece.index], "input_json_delta", fields)

    def _output(self, event: Output) -> str:
        """An image as it comes; what belongs to the end is left for it: the blocks that a vendor wants back, and the
        stop sequence."""
        choice, name = place_of(event)
        if choice == 0 and name == "thinking_blocks":
            self._kept = thinking_blocks({name: event})
        elif choice == 0 and name == STOP_SEQUENCE:
            self._stopped = event
        return self._block(name, image_block(event)) if choice == 0 and is_image(name, event) else ""

    def _left(self) -> str:
        """Blocks that the vendor wants back and that came in no event of their own, and a signature that came late."""
        written = ""
        for block in self._kept:
            if block["type"] == "redacted_thinking":
                written += self._block(f"redacted {self._count}", block)
            elif not self._is_signed and _THINKING in self._places and block["signature"]:
                fields = f'"signature":{quoted(block["signature"])}'
                written += self._added(self._places[_THINKING], "signature_delta", fields)
        return written

    def _within(self, kind: str, delta: str, fields: str) -> str:
        """A piece of the block of a kind, which is begun where it is not the open one."""
        start = {"type": "text", "text": ""} if kind == _TEXT else thinking_block({})
        is_open = kind in self._places and (self._places[kind] == self._open or delta == "citations_delta")
        opened = "" if is_open else self._block(kind, start)
        return opened + self._added(self._places[kind], delta, fields)

    def _block(self, key: str | int, start: dict[str, Any]) -> str:
        """The beginning of a block, and the end of the one before."""
        before = self._begun() + self._closed()
        self._places[key] = self._open = self._count
        self._count += 1
        return before + _event("content_block_start", f'"index":{self._open},"content_block":{json.dumps(start)}')

    def _closed(self) -> str:
        index, self._open = self._open, None
        return "" if index is None else _event("content_block_stop", f'"index":{index}')

    def _begun(self) -> str:
        if self._is_begun:
            return ""
        self._is_begun = True
        document = message(self._head, self._vendor.model, [], UNENDED, counted_so_far(self._known))
        return _event("message_start", f'"message":{json.dumps(document)}')

    def _said_something(self) -> bool:
        return any(key != _THINKING for key in self._places)

    def _added(self, index: int, kind: str, fields: str) -> str:
        return _event("content_block_delta", f'"index":{index},"delta":{{"type":"{kind}",{fields}}}')


def _event(name: str, fields: str) -> str:
    return f'event: {name}\ndata: {{"type":"{name}"{"," if fields else ""}{fields}}}\n\n'
