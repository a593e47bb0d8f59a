"""A chat completion in pieces: `chat.completion.chunk` events, one for each piece as it comes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from theoryctl_providers.contract import Annotation, Delta, Event, Finish, Output, ToolCallDelta, Usage, VendorInfo
from theoryctl_providers.contract.answer import ToolCall, place_of
from theoryctl_providers.wires.exchange import Chunks, Head
from theoryctl_providers.wires.failure import Failure
from theoryctl_providers.wires.images import is_image
from theoryctl_providers.wires.openai.chat_message import (
    annotations_field,
    blocks_field,
    call_delta,
    custom_call,
    finish_reason,
    function_call,
    images_field,
    logprobs_document,
    opening,
    reasoning_field,
    usage_document,
)
from theoryctl_providers.wires.openai.encrypted_content import BLOCKS
from theoryctl_providers.wires.openai.errors import error_object
from theoryctl_providers.wires.openai.tools import Toolbox

END = b"data: [DONE]\n\n"


@dataclass(slots=True)
class _Open:
    """A choice that was begun.

    `annotations` wait for its end, for they have no place of their own in a list of deltas; so do `customs`, calls of
    custom tools, whose input is known when their arguments are whole.
    """

    is_said: bool = False
    customs: dict[int, ToolCall] = field(default_factory=dict)
    images: int = 0
    annotations: list[Mapping[str, Any]] = field(default_factory=list)


class ChatChunks(Chunks):
    """Writes the chunks of one answer."""

    def __init__(self, head: Head, with_usage: bool, tools: Toolbox) -> None:
        self._head, self._with_usage, self._tools = head, with_usage, tools
        # Where usage is wanted, every chunk has it, and all but the last have none in it.
        self._end = ',"usage":null}\n\n' if with_usage else "}\n\n"
        self._choices: dict[int, _Open] = {}
        self._unfinished: set[int] = set()
        self._usage = Usage()
        self._tell(None)

    def piece(self, event: Event) -> bytes:
        """The chunks that an event becomes; none for some."""
        if isinstance(event, Delta):
            return self._delta(event).encode()
        if isinstance(event, Finish):
            return self._finish(event).encode()
        if isinstance(event, Output):
            return self._output(event).encode()
        if isinstance(event, Annotation):
            opened = self._opened(event.choice)
            self._choices[event.choice].annotations.append(event.value)
            return opened.encode()
        if isinstance(event, VendorInfo):
            self._tell(event)
            # The vendor has begun: a client, and what stands between, need not wait for the first word to see it.
            return b"" if self._choices else self._opened(0).encode()
        if isinstance(event, Usage):
            self._usage = event
        return b""

    def end(self) -> bytes:
        """The chunks after the last event."""
        left = self._unfinished or (set() if self._choices else {0})
        closing = b"".join(self.piece(Finish(index)) for index in sorted(left))
        usage = f'{self._start}"choices":[],"usage":{usage_document(self._usage)}}}\n\n' if self._with_usage else ""
        return closing + usage.encode() + END

    def failed(self, failure: Failure) -> bytes:
        """A failure in the middle: OpenAI's clients raise it."""
        return f'data: {{"error":{json.dumps(error_object(failure))}}}\n\n'.encode()

    def _tell(self, vendor: VendorInfo | None) -> None:
        self._start = f"data: {opening(self._head, 'chat.completion.chunk', vendor)}"

    def _delta(self, event: Delta) -> str:
        if event.text:
            return self._said(event.choice, f'"content":{quoted(event.text)}', '""')
        if event.tool_call is not None:
            return self._call(event.choice, event.tool_call)
        if event.reasoning:
            return self._opened(event.choice) + self._chunk(event.choice, f"{{{reasoning_field(event.reasoning)}}}")
        return self._said(event.choice, f'"refusal":{quoted(event.refusal)}') if event.refusal else ""

    def _call(self, index: int, piece: ToolCallDelta) -> str:
        if self._tools.deprecated and piece.index == 0:
            return self._said(index, function_call(piece.name, piece.arguments))
        if self._tools.tool(piece.name or "").kind == "custom":
            opened = self._opened(index)
            self._choices[index].customs[piece.index] = ToolCall()
        else:
            opened = ""
        custom = self._choices[index].customs.get(piece.index) if index in self._choices else None
        if custom is None:
            return self._said(index, f'"tool_calls":[{call_delta(piece)}]')
        custom.add(piece)
        return opened

    def _customs(self, index: int) -> str:
        """The chunks of calls of custom tools."""
        found = sorted(self._choices[index].customs.items())
        calls = ((at, custom_call(call.id, call.name, "".join(call.arguments))) for at, call in found)
        return "".join(self._said(index, f'"tool_calls":[{{"index":{at},{call}}}]') for at, call in calls)

    def _output(self, event: Output) -> str:
        """An image as it comes; what the vendor wants back, and log probabilities, when they are whole."""
        choice, name = place_of(event)
        if is_image(name, event):
            opened = self._opened(choice)
            number = self._choices[choice].images
            self._choices[choice].images += 1
            return opened + self._said(choice, images_field([event], number))
        if name in BLOCKS:
            return self._opened(choice) + self._chunk(choice, f"{{{blocks_field(name, event)}}}")
        if name == "logprobs":
            return self._opened(choice) + self._chunk(choice, "{}", logprobs=logprobs_document(event))
        return ""

    def _finish(self, event: Finish) -> str:
        index = event.choice
        opened = self._opened(index, '""')
        opened += self._customs(index)
        choice = self._choices[index]
        self._unfinished.discard(index)
        if choice.annotations:
            opened += self._chunk(index, f"{{{annotations_field(choice.annotations)}}}")
        # An empty answer is one: whole, it has an empty text.
        delta = "{}" if choice.is_said else '{"content":""}'
        return opened + self._chunk(index, delta, finish_reason(event.reason, self._tools))

    def _said(self, index: int, delta: str, content: str = "null") -> str:
        """A chunk that is a part of the answer itself."""
        opened = self._opened(index, content)
        self._choices[index].is_said = True
        return opened + self._chunk(index, f"{{{delta}}}")

    def _opened(self, index: int, content: str = "null") -> str:
        """The chunk that names the role, before the first of a choice."""
        if index in self._choices:
            return ""
        self._unfinished.add(index)
        self._choices[index] = _Open(is_said=content != "null")
        return self._chunk(index, f'{{"role":"assistant","content":{content},"refusal":null}}')

    def _chunk(self, index: int, delta: str, finish: str = "null", logprobs: str = "null") -> str:
        return (
            f'{self._start}"choices":[{{"index":{index},"delta":{delta},"logprobs":{logprobs},'
            f'"finish_reason":{finish}}}]{self._end}'
        )
