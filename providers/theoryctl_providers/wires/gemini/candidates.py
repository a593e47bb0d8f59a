"""Answers of Gemini: candidates with their parts, whole or one document for each piece."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from theoryctl_providers.contract import Delta, Event, Finish, Output, ProviderError, Usage, VendorInfo, loads
from theoryctl_providers.contract.answer import Answer, Choice, ToolCall, place_of
from theoryctl_providers.wires.exchange import Chunks, Head
from theoryctl_providers.wires.failure import Failure
from theoryctl_providers.wires.gemini.errors import error_document

_REASONS = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}


class Candidates(Chunks):
    """Writes an answer in pieces, as server-sent events or as the items of one JSON array.

    A call of a function is a piece of its own, once it is whole.
    """

    def __init__(self, head: Head, as_events: bool) -> None:
        self._head, self._as_events = head, as_events
        self._vendor, self._usage = VendorInfo(), Usage()
        self._choices: dict[int, Choice] = {}
        self._is_begun = False

    def piece(self, event: Event) -> bytes:
        """The piece that an event becomes; nothing for most."""
        if isinstance(event, Delta):
            return self._delta(event)
        if isinstance(event, VendorInfo):
            self._vendor = event
        elif isinstance(event, Usage):
            self._usage = event
        elif isinstance(event, Finish):
            self._choice(event.choice).finish = event.reason
        elif isinstance(event, Output):
            index, name = place_of(event)
            parts = list(_images({name: event}))
            return self._written([_candidate(index, parts)]) if parts else b""
        return b""

    def end(self) -> bytes:
        """The last piece: the calls, the reasons and the usage."""
        choices = self._choices or {0: Choice()}
        ended = [
            _candidate(index, list(_calls(choices[index])) or [{"text": ""}], _reason(choices[index]))
            for index in sorted(choices)
        ]
        last = self._written(ended, usageMetadata=usage_document(self._usage))
        return last if self._as_events else last + b"]"

    def failed(self, failure: Failure) -> bytes:
        """A failure in the middle: Google's clients raise it."""
        last = self._framed(error_document(failure))
        return last if self._as_events else last + b"]"

    def _delta(self, event: Delta) -> bytes:
        choice = self._choice(event.choice)
        if event.tool_call is not None:
            choice.calls.setdefault(event.tool_call.index, ToolCall()).add(event.tool_call)
            return b""
        if event.reasoning:
            return self._written([_candidate(event.choice, [{"text": event.reasoning, "thought": True}])])
        if event.refusal:
            choice.refusal.append(event.refusal)
        text = event.text or event.refusal
        return self._written([_candidate(event.choice, [{"text": text}])]) if text else b""

    def _choice(self, index: int) -> Choice:
        return self._choices.setdefault(index, Choice())

    def _written(self, candidates: list[dict[str, Any]], **fields: Any) -> bytes:
        return self._framed({"candidates": candidates, **fields, **_facts(self._head, self._vendor)})

    def _framed(self, document: dict[str, Any]) -> bytes:
        data = json.dumps(document).encode()  # in ASCII: clients end a line at U+2028 too
        if self._as_events:
            return b"data: " + data + b"\r\n\r\n"
        before, self._is_begun = b",\r\n" if self._is_begun else b"[", True
        return before + data


def whole_answer(head: Head, answer: Answer) -> dict[str, Any]:
    """An answer as one document."""
    choices = answer.choices or {0: Choice()}
    candidates = []
    for index in sorted(choices):
        parts = list(_parts(choices[index], answer.outputs_of(index)))
        candidates.append(_candidate(index, parts, _reason(choices[index])))
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


def _reason(choice: Choice) -> str:
    return "SAFETY" if choice.refusal else _REASONS.get(choice.finish, "OTHER")


def _parts(choice: Choice, outputs: Mapping[str, Output]) -> Iterator[dict[str, Any]]:
    if choice.reasoning:
        yield {"text": "".join(choice.reasoning), "thought": True}
    images = list(_images(outputs))
    text = choice.text + "".join(choice.refusal)
    if text or not (choice.calls or images):
        yield {"text": text}
    yield from images
    yield from _calls(choice)


def _images(outputs: Mapping[str, Output]) -> Iterator[dict[str, Any]]:
    for name, output in outputs.items():
        if output.media_type.startswith("image/") and isinstance(output.value, bytes):
            data = base64.b64encode(output.value).decode()
            yield {"inlineData": {"mimeType": output.media_type, "data": data}}
        elif output.media_type == "text/uri-list" and name.startswith("image"):
            yield {"fileData": {"fileUri": output.value}}


def _calls(choice: Choice) -> Iterator[dict[str, Any]]:
    for at in sorted(choice.calls):
        call = choice.calls[at]
        told = {"id": call.id, "name": call.name, "args": _arguments(call)}
        google = (call.extra_content or {}).get("google")
        signature = google.get("thought_signature") if isinstance(google, Mapping) else None
        yield {"functionCall": told, **({"thoughtSignature": signature} if signature else {})}


def _arguments(call: ToolCall) -> Any:
    """The arguments of a call; none where they were cut at the limit of tokens."""
    try:
        return loads("".join(call.arguments) or "{}")
    except ProviderError:
        return {}
