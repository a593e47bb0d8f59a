"""Answers of Ollama: one document, or a line for each piece."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from theoryctl_providers.contract import Output, Usage, VendorInfo, dumps
from theoryctl_providers.contract.answer import Answer, Choice, ToolCall, place_of
from theoryctl_providers.wires.arguments import arguments_of
from theoryctl_providers.wires.exchange import Head
from theoryctl_providers.wires.failure import Failure
from theoryctl_providers.wires.images import ADDRESS, images_of, in_base64, is_image
from theoryctl_providers.wires.ollama.errors import error_line
from theoryctl_providers.wires.spoken import Spoken

#: Writes the words of an answer where a path has its own place for them.
Place = Callable[[Mapping[str, Any]], dict[str, Any]]

#: Reasons in Ollama's words; a call of a tool is no reason there.
_REASONS = {"tool_calls": "stop"}


class Lines(Spoken):
    """Writes the only choice of an answer in lines of JSON. A call of a tool is in a line once it is whole."""

    def __init__(self, head: Head, place: Place) -> None:
        super().__init__(head)
        self._place = place

    def words(self, choice: int, text: str, *, is_thought: bool = False) -> bytes:
        """Write a piece of the text, or of the thinking."""
        if choice != 0:
            return b""
        return self._line({"content": "", "thinking": text} if is_thought else {"content": text})

    def output(self, output: Output) -> bytes:
        """Write an image."""
        choice, name = place_of(output)
        if choice != 0 or not is_image(name, output):
            return b""
        return self._line({"content": "", "images": [_image(output)]})

    def end(self) -> bytes:
        """The last lines: the calls, and the reason with the counts."""
        choice, outputs = self.answer.choices.get(0) or Choice(), self.answer.outputs_of(0)
        called = self._line({"content": "", "tool_calls": _calls(choice)}) if choice.calls else b""
        words = {"content": "", **_logprobs(outputs)}
        return called + self._line(words, **ending(choice.finish, self.answer.usage))

    def failed(self, failure: Failure) -> bytes:
        """A failure in the middle: Ollama's clients raise it."""
        return error_line(failure)

    def _line(self, words: Mapping[str, Any], **fields: Any) -> bytes:
        document = {**opening(self.head, self.vendor), **self._place(words), "done": False, **fields}
        # In ASCII: clients end a line at U+2028 too (httpx/_decoders.py, LineDecoder), and Ollama escapes it as well.
        return json.dumps(document).encode() + b"\n"


def whole_answer(head: Head, answer: Answer, place: Place) -> bytes:
    """Write an answer as one document."""
    choice, outputs = answer.choices.get(0) or Choice(), answer.outputs_of(0)
    words: dict[str, Any] = {"content": choice.text + "".join(choice.refusal)}
    if choice.reasoning:
        words["thinking"] = "".join(choice.reasoning)
    if choice.calls:
        words["tool_calls"] = _calls(choice)
    if images := images_of(outputs):
        words["images"] = list(map(_image, images))
    words |= _logprobs(outputs)
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


def _calls(choice: Choice) -> list[dict[str, Any]]:
    return [_call(at, choice.calls[at]) for at in sorted(choice.calls)]


def _call(index: int, call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "function": {"index": index, "name": call.name, "arguments": arguments_of(call)}}


def _image(output: Output) -> str:
    """An image in base64; one of which only the address came is that address."""
    return str(output.value) if output.media_type == ADDRESS else in_base64(output)


def _logprobs(outputs: Mapping[str, Output]) -> dict[str, Any]:
    """Log probabilities of the tokens of the text, where there are some."""
    if "logprobs" not in outputs:
        return {}
    value = outputs["logprobs"].value
    return {"logprobs": value.get("content") if isinstance(value, Mapping) else None}
