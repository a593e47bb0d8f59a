"""A `response` of the Responses API as a document."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from theoryctl_providers.contract import Output, ToolCallDelta, Usage, VendorInfo
from theoryctl_providers.contract.answer import Answer, Choice
from theoryctl_providers.wires.exchange import Head
from theoryctl_providers.wires.images import images_of
from theoryctl_providers.wires.openai.encrypted_content import BLOCKS, packed
from theoryctl_providers.wires.openai.responses.output_items import (
    REASONING,
    REFUSAL,
    TEXT,
    CallItem,
    ContentItem,
    ImageItem,
    Item,
    Named,
    Part,
    Prose,
)
from theoryctl_providers.wires.openai.responses.tool_items import ToolItem
from theoryctl_providers.wires.openai.tools import Toolbox

#: What OpenAI says of an answer that ended for one of these reasons: it is incomplete, and why.
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


class Response:
    """The response so far.

    `echo` are the parameters of the request that the answer repeats, `tools` its tools. `keep` gets the document once
    all was said.

    Each method that adds something yields the events of a stream that say so.
    """

    def __init__(self, head: Head, echo: Mapping[str, Any], tools: Toolbox, keep: Callable[[str], None]) -> None:
        self.items: list[Item] = []
        self.finish = "stop"
        self.usage = Usage()
        #: Who answered, once that is known.
        self.vendor = VendorInfo()
        self._head, self._echo = head, json.dumps(echo)[1:-1]
        self._tools, self._keep_whole = tools, keep
        self._kept: dict[str, Any] = {}

    @property
    def status(self) -> str:
        return "incomplete" if self.finish in _INCOMPLETE else "completed"

    @property
    def is_said(self) -> bool:
        """True once there is an answer, be it an empty one; reasoning alone is none."""
        return any(not (isinstance(item, ContentItem) and item.is_reasoning) for item in self.items)

    def say(self, kind: Prose, text: str) -> Iterator[Named]:
        """Add a piece of text; an empty one makes sure that there is a part for it."""
        part = self._part(kind)
        if part is None:
            item = self._content(kind is REASONING)
            if item is None:
                item = ContentItem(self._head.key, len(self.items), kind is REASONING)
                yield from self._add(item)
            part = item.add_part(kind)
            yield from part.opening()
        if text:
            yield from part.add(text)

    def call(self, piece: ToolCallDelta) -> Iterator[Named]:
        """Add a piece of a function call."""
        calls = (item for item in self.items if isinstance(item, CallItem | ToolItem))
        item = next((item for item in calls if item.index == piece.index), None)
        if item is None:
            item = self._called(piece)
            yield from self._add(item)
        if piece.arguments:
            yield from item.add(piece.arguments)

    def _called(self, piece: ToolCallDelta) -> CallItem | ToolItem:
        tool, call_id = self._tools.tool(piece.name or ""), piece.id or ""
        if tool.kind != "function":
            return ToolItem(self._head.key, len(self.items), piece.index, tool, call_id)
        item = CallItem(self._head.key, len(self.items), piece.index, tool.name, call_id, piece.extra_content)
        item.namespace = tool.namespace
        return item

    def annotate(self, value: Mapping[str, Any]) -> Iterator[Named]:
        """Add a source to the text."""
        yield from self.say(TEXT, "")
        part = self._part(TEXT)
        assert part is not None
        yield from part.annotate(value)

    def put(self, name: str, output: Output) -> Iterator[Named]:
        """Add an output of the first choice, by its name, where this API has a place for it."""
        if images_of({name: output}):
            yield from self._add(ImageItem(self._head.key, len(self.items), output))
        elif name in BLOCKS:
            yield from self._keep(name, output.value)
        elif name == "logprobs" and isinstance(output.value, Mapping) and (part := self._part(TEXT)) is not None:
            part.logprobs = json.dumps(output.value.get("content") or [])

    def fill(self, answer: Answer) -> None:
        """Take in a whole answer."""
        choice, outputs = answer.choices.get(0) or Choice(), answer.outputs_of(0)
        self.finish, self.usage = choice.finish, answer.usage
        self.vendor = answer.vendor or self.vendor
        for _ in self._filled(choice, outputs):
            pass

    def _filled(self, choice: Choice, outputs: Mapping[str, Output]) -> Iterator[Named]:
        if choice.reasoning:
            yield from self.say(REASONING, "".join(choice.reasoning))
        for name in BLOCKS:
            if name in outputs:
                yield from self.put(name, outputs[name])
        if choice.pieces or not (choice.calls or choice.refusal or images_of(outputs)):
            yield from self.say(TEXT, choice.text)
        if choice.refusal:
            yield from self.say(REFUSAL, "".join(choice.refusal))
        for value in choice.annotations:
            yield from self.annotate(value)
        for name, output in outputs.items():
            if name not in BLOCKS:
                yield from self.put(name, output)
        for index in sorted(choice.calls):
            call = choice.calls[index]
            yield from self.call(ToolCallDelta(index, "".join(call.arguments), call.id, call.name, call.extra_content))

    def begun(self) -> str:
        """The document before anything was said."""
        return self._written("in_progress", "null", "null", "null", [])

    def ended(self) -> str:
        """The document once all was said."""
        details = f'{{"reason":"{_INCOMPLETE[self.finish]}"}}' if self.status == "incomplete" else "null"
        document = self._written(self.status, "null", details, _usage(self.usage), self.items)
        self._keep_whole(document)
        return document

    def failed(self, code: str, message: str) -> str:
        """The document of an answer that broke off."""
        return self._written("failed", json.dumps({"code": code, "message": message}), "null", "null", self.items)

    def _part(self, kind: Prose) -> Part | None:
        item = self._content(kind is REASONING)
        return None if item is None else item.part(kind)

    def _content(self, is_reasoning: bool) -> ContentItem | None:
        found = (item for item in self.items if isinstance(item, ContentItem) and item.is_reasoning is is_reasoning)
        return next(found, None)

    def _add(self, item: Item) -> Iterator[Named]:
        self.items.append(item)
        yield from item.opening()

    def _keep(self, name: str, value: Any) -> Iterator[Named]:
        item = self._content(is_reasoning=True)
        if item is None:
            item = ContentItem(self._head.key, len(self.items), is_reasoning=True)
            yield from self._add(item)
        self._kept[name] = value
        item.kept = packed(self._kept)

    def _written(self, status: str, error: str, details: str, usage: str, items: list[Item]) -> str:
        output = ",".join(item.document(status) for item in items)
        vendor = self.vendor
        tier = "" if vendor.service_tier is None else f'"service_tier":{quoted(vendor.service_tier)},'
        return (
            f'{{"id":"resp_{self._head.key}","object":"response","created_at":{self._head.created},'
            f'"model":{quoted(vendor.model or self._head.model)},"background":false,'
            f'{self._echo},{tier}"status":"{status}","error":{error},"incomplete_details":{details},'
            f'"output":[{output}],"usage":{usage}}}'
        )


def _usage(usage: Usage) -> str:
    """Tokens, with the details that are known; null where none is, and where the tokens themselves are not."""
    if usage.input_tokens is None or usage.output_tokens is None:
        return "null"
    cached = {"cached_tokens": usage.cached_input_tokens, "cache_write_tokens": usage.cache_write_tokens}
    document = {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": _known(cached),
        "output_tokens": usage.output_tokens,
        "output_tokens_details": _known({"reasoning_tokens": usage.reasoning_tokens}),
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    return json.dumps(document, separators=(",", ":"))


def _known(counts: Mapping[str, int | None]) -> dict[str, int] | None:
    """The counts that are known; None for none. Clients take no details, but no null in the place of a number there
    (litellm/types/llms/openai.py, InputTokensDetails)."""
    return {name: count for name, count in counts.items() if count is not None} or None
