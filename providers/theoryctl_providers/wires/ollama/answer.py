"""Answers of Ollama: one document, or a line for each piece."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from theoryctl_providers.contract import Delta, Event, Finish, Output, ProviderError, Usage, VendorInfo, dumps, loads
from theoryctl_providers.contract.answer import Answer, Choice, ToolCall, place_of
from theoryctl_providers.wires.exchange import Chunks, Head
from theoryctl_providers.wires.failure import Failure
from theoryctl_providers.wires.ollama.errors import error_line

#: Writes the words of an answer where a path has its own place for them.
Place = Callable[[Mapping[str, Any]], dict[str, Any]]

#: Reasons in Ollama's words; a call of a tool is no reason there.
_REASONS = {"tool_calls": "stop"}


class Lines(Chunks):
    """Writes an answer in lines of JSON. A call of a tool is a line of its own, once it is whole."""

    def __init__(self, head: Head, place: Place) -> None:
        self._head, self._place = head, place
        self._vendor, self._usage, self._finish = VendorInfo(), Usage(), "stop"
        self._calls: dict[int, ToolCall] = {}
        self._logprobs: Any = None

    def piece(self, event: Event) -> bytes:
        """The line that an event becomes; nothing for some."""
        if getattr(event, "choice", 0) != 0:
            return b""
        if isinstance(event, Delta):
            return self._delta(event)
        if isinstance(event, VendorInfo):
            self._vendor = event
        elif isinstance(event, Usage):
            self._usage = event
        elif isinstance(event, Finish):
            self._finish = event.reason
        elif isinstance(event, Output) and place_of(event)[0] == 0:
            return self._output(event)
        return b""

    def end(self) -> bytes:
        """The last lines: the calls, and the reason with the counts."""
        called = self._line({"content": "", "tool_calls": calls_of(self._calls)}) if self._calls else b""
        words = {"content": "", **({} if self._logprobs is None else {"logprobs": self._logprobs})}
        return called + self._line(words, **ending(self._finish, self._usage))

    def failed(self, failure: Failure) -> bytes:
        """A failure in the middle: Ollama's clients raise it."""
        return error_line(failure)

    def _delta(self, event: Delta) -> bytes:
        if event.tool_call is not None:
            self._calls.setdefault(event.tool_call.index, ToolCall()).add(event.tool_call)
            return b""
        if event.reasoning:
            return self._line({"content": "", "thinking": event.reasoning})
        text = event.text or event.refusal
        return self._line({"content": text}) if text else b""

    def _output(self, event: Output) -> bytes:
        name = place_of(event)[1]
        if name == "logprobs":
            self._logprobs = logprobs_of(event)
        images = images_of({name: event})
        return self._line({"content": "", "images": images}) if images else b""

    def _line(self, words: Mapping[str, Any], **fields: Any) -> bytes:
        document = {**opening(self._head, self._vendor), **self._place(words), "done": False, **fields}
        # In ASCII: clients end a line at U+2028 too (httpx/_decoders.py, LineDecoder), and Ollama escapes it as well.
        return json.dumps(document).encode() + b"\n"


def whole_answer(head: Head, answer: Answer, place: Place) -> bytes:
    """Write an answer as one document."""
    choice, outputs = answer.choices.get(0) or Choice(), answer.outputs_of(0)
    words: dict[str, Any] = {"content": choice.text + "".join(choice.refusal)}
    if choice.reasoning:
        words["thinking"] = "".join(choice.reasoning)
    if choice.calls:
        words["tool_calls"] = calls_of(choice.calls)
    if images := images_of(outputs):
        words["images"] = images
    if "logprobs" in outputs:
        words["logprobs"] = logprobs_of(outputs["logprobs"])
    start = opening(head, answer.vendor or VendorInfo())
    return dumps({**start, **place(words), **ending(choice.finish, answer.usage)}).encode()


def opening(head: Head, vendor: VendorInfo) -> dict[str, Any]:
    """The beginning of each document. The model is the one that really answered, where it is known."""
    created = datetime.fromtimestamp(head.created, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"model": vendor.model or head.model, "created_at": created}


def ending(finish: str, usage: Usage) -> dict[str, Any]:
    """The reason and the counts; those that nobody said are left out, as are times, which are nobody's."""
    counts = {"prompt_eval_count": usage.input_tokens, "eval_count": usage.output_tokens}
    known = {name: count for name, count in counts.items() if count is not None}
    return {"done": True, "done_reason": _REASONS.get(finish, finish), **known}


def calls_of(calls: Mapping[int, ToolCall]) -> list[dict[str, Any]]:
    """Calls with their arguments as objects; none of those that were cut at the limit of tokens."""
    return [_call(at, calls[at]) for at in sorted(calls)]


def images_of(outputs: Mapping[str, Output]) -> list[str]:
    """Images in base64; one of which only the address came is that address."""
    found = []
    for name, output in outputs.items():
        if output.media_type.startswith("image/") and isinstance(output.value, bytes):
            found.append(base64.b64encode(output.value).decode())
        elif output.media_type == "text/uri-list" and name.startswith("image"):
            found.append(str(output.value))
    return found


def logprobs_of(output: Output) -> Any:
    """Log probabilities of the tokens of the text."""
    return output.value.get("content") if isinstance(output.value, Mapping) else None


def _call(index: int, call: ToolCall) -> dict[str, Any]:
    try:
        arguments = loads("".join(call.arguments) or "{}")
    except ProviderError:
        arguments = {}
    return {"id": call.id, "function": {"index": index, "name": call.name, "arguments": arguments}}
