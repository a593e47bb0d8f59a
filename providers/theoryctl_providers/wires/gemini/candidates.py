"""Answers of Gemini: candidates with their parts, whole or one document for each piece."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from theoryctl_providers.contract import Output, Usage, VendorInfo
from theoryctl_providers.contract.answer import Answer, Choice, place_of
from theoryctl_providers.wires.arguments import arguments_of
from theoryctl_providers.wires.exchange import Head
from theoryctl_providers.wires.failure import Failure
from theoryctl_providers.wires.gemini.beside import beside
from theoryctl_providers.wires.gemini.errors import error_document
from theoryctl_providers.wires.images import ADDRESS, images_of, in_base64, is_image
from theoryctl_providers.wires.spoken import Spoken

_REASONS = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}


class Candidates(Spoken):
    """Writes an answer in pieces, as server-sent events or as the items of one JSON array.

    A call of a function is a piece of its own, once it is whole; so is the text where it `is_enum`.
    """

    def __init__(self, head: Head, as_events: bool, is_enum: bool = False) -> None:
        super().__init__(head)
        self._as_events, self._is_enum, self._is_begun = as_events, is_enum, False

    def words(self, choice: int, text: str, *, is_thought: bool = False) -> bytes:
        """Write a piece of the text of a candidate, or of its thoughts."""
        if self._is_enum and not is_thought:
            return b""
        return self._written([_candidate(choice, [_text(text, is_thought)])])

    def output(self, output: Output) -> bytes:
        """Write an image."""
        index, name = place_of(output)
        return self._written([_candidate(index, [_image(output)])]) if is_image(name, output) else b""

    def end(self) -> bytes:
        """The last piece: the calls, the reasons and the usage."""
        choices = self.answer.choices or {0: Choice()}
        ended = [
            _candidate(index, self._last_parts(choices[index]), _reason(choices[index]))
            | _beside(choices[index], self.answer.outputs_of(index))
            for index in sorted(choices)
        ]
        last = self._written(ended, usageMetadata=usage_document(self.answer.usage))
        return last if self._as_events else last + b"]"

    def _last_parts(self, choice: Choice) -> list[dict[str, Any]]:
        held = [_text(text)] if self._is_enum and (text := _said(choice, is_enum=True)) else []
        return [*held, *_calls(choice)] or [_text("")]

    def failed(self, failure: Failure) -> bytes:
        """A failure in the middle: Google's clients raise it."""
        last = self._framed(error_document(failure))
        return last if self._as_events else last + b"]"

    def _written(self, candidates: list[dict[str, Any]], **fields: Any) -> bytes:
        return self._framed({"candidates": candidates, **fields, **_facts(self.head, self.vendor)})

    def _framed(self, document: dict[str, Any]) -> bytes:
        data = json.dumps(document).encode()  # in ASCII: clients end a line at U+2028 too
        if self._as_events:
            return b"data: " + data + b"\r\n\r\n"
        before, self._is_begun = b",\r\n" if self._is_begun else b"[", True
        return before + data


def enum_value(text: str) -> str:
    """The value that is the only text of a JSON document, without its quotes; any other text as it is.

    Google answers so with `text/x.enum` (ai.google.dev/gemini-api/docs/structured-output).
    """
    if not text.lstrip().startswith('"'):
        return text
    try:
        value: str = json.loads(text)
    except ValueError:
        return text
    return value


def whole_answer(head: Head, answer: Answer, is_enum: bool = False) -> dict[str, Any]:
    """An answer as one document."""
    choices = answer.choices or {0: Choice()}
    candidates = []
    for index in sorted(choices):
        parts = list(_parts(choices[index], answer.outputs_of(index), is_enum))
        about = _beside(choices[index], answer.outputs_of(index))
        candidates.append(_candidate(index, parts, _reason(choices[index])) | about)
    usage = usage_document(answer.usage)
    return {"candidates": candidates, "usageMetadata": usage, **_facts(head, answer.vendor or VendorInfo())}


def usage_document(usage: Usage) -> dict[str, Any]:
    """Counts of tokens; those that nobody said are left out. Gemini counts thoughts apart from the candidates."""
    sent, got, thought = usage.input_tokens, usage.output_tokens, usage.reasoning_tokens
    counts = {
        "promptTokenCount": sent,
        "candidatesTokenCount": None if got is None else max(0, got - (thought or 0)),
        "totalTokenCount": None if sent is None or got is None else sent + got,
        "thoughtsTokenCount": thought,
        "cachedContentTokenCount": usage.cached_input_tokens,
    }
    return {name: count for name, count in counts.items() if count is not None}


def _facts(head: Head, vendor: VendorInfo) -> dict[str, Any]:
    return {"modelVersion": vendor.model or head.model, "responseId": head.key}


def _candidate(index: int, parts: list[dict[str, Any]], reason: str | None = None) -> dict[str, Any]:
    ended = {} if reason is None else {"finishReason": reason}
    return {"content": {"role": "model", "parts": parts}, **ended, "index": index}


def _beside(choice: Choice, outputs: Mapping[str, Output]) -> dict[str, Any]:
    return beside(choice.text, choice.annotations, outputs.get("logprobs"))


def _reason(choice: Choice) -> str:
    return "SAFETY" if choice.refusal else _REASONS.get(choice.finish, "OTHER")


def _parts(choice: Choice, outputs: Mapping[str, Output], is_enum: bool) -> Iterator[dict[str, Any]]:
    if choice.reasoning:
        yield _text("".join(choice.reasoning), is_thought=True)
    images = images_of(outputs)
    text = _said(choice, is_enum)
    if text or not (choice.calls or images):
        yield _text(text)
    yield from map(_image, images)
    yield from _calls(choice)


def _said(choice: Choice, is_enum: bool) -> str:
    """The words of a candidate: its text, and its refusal, which is no value."""
    return (enum_value(choice.text) if is_enum else choice.text) + "".join(choice.refusal)


def _text(text: str, is_thought: bool = False) -> dict[str, Any]:
    return {"text": text, "thought": True} if is_thought else {"text": text}


def _image(output: Output) -> dict[str, Any]:
    if output.media_type == ADDRESS:
        return {"fileData": {"fileUri": output.value}}
    return {"inlineData": {"mimeType": output.media_type, "data": in_base64(output)}}


def _calls(choice: Choice) -> Iterator[dict[str, Any]]:
    for at in sorted(choice.calls):
        call = choice.calls[at]
        told = {"id": call.id, "name": call.name, "args": arguments_of(call)}
        google = (call.extra_content or {}).get("google")
        signature = google.get("thought_signature") if isinstance(google, Mapping) else None
        yield {"functionCall": told, **({"thoughtSignature": signature} if signature else {})}
