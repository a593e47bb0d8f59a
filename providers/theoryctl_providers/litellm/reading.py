"""Answers of vendors as events: whole ones and chunks, in the vocabulary of OpenAI's chat completions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from theoryctl_providers.contract import (
    Annotation,
    Delta,
    Event,
    Finish,
    Output,
    ProviderError,
    ResolvedRequest,
    ToolCallDelta,
    Usage,
    VendorInfo,
)
from theoryctl_providers.contract.answer import is_unicode
from theoryctl_providers.contract.events import CUT_OFF
from theoryctl_providers.litellm.blocks import note_blocks, signature_of
from theoryctl_providers.litellm.charges import searches
from theoryctl_providers.litellm.logprobs import note_logprobs
from theoryctl_providers.litellm.media import Audio, file_of
from theoryctl_providers.litellm.media_prices import Media, media_asked, media_of_type
from theoryctl_providers.litellm.parts import (
    VENDOR_PARTS,
    Part,
    annotations_of,
    in_json,
    parts_of,
    reasoning_of,
    unread_parts,
)
from theoryctl_providers.litellm.told import refuse_failure
from theoryctl_providers.litellm.tool_calls import ToolCalls

#: The function by which LiteLLM asks for a structured answer where a vendor knows no other way.
_STRUCTURED = "json_tool_call"

#: Reasons of older and other servers in OpenAI's words.
_REASONS = {
    "function_call": "tool_calls",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "max_tokens": "length",
}

_JSON = "application/json"


@dataclass(slots=True)
class _Choice:
    """The state of one choice while it is read."""

    calls: ToolCalls
    finish: str | None = None
    said: bool = False
    files: int = 0
    audio: Audio = field(default_factory=Audio)
    unread: list[Any] = field(default_factory=list)
    annotations: list[Any] = field(default_factory=list)
    blocks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    logprobs: dict[str, list[Any]] = field(default_factory=dict)
    is_structured: bool = False
    stop_sequence: str | None = None


class Reader:
    """Turns the documents of one answer into events, and knows at the end whether it was one.

    Nothing in a document is believed unchecked: what is of a wrong type is as if it were not there.
    """

    def __init__(self, request: ResolvedRequest, headers: Mapping[str, str]) -> None:
        self.model: str = request.model
        #: The usage as the last document said it.
        self.usage: dict[str, Any] = {}
        self._info = VendorInfo(headers=headers)
        self._told: VendorInfo | None = None
        self._choices: dict[int, _Choice] = {}
        self._calls_before = _calls_in(request.inputs.get("messages"))
        stops = request.inputs.get("stop") or ()
        self._stops: Sequence[str] = (stops,) if isinstance(stops, str) else stops
        self._may_search = searches(request.model, request.inputs)
        self._media_asked = media_asked(request.inputs)
        self._media_answered: set[str] = set()
        tools = request.inputs.get("tools") or ()
        self._offers_structured = any(tool.get("function", {}).get("name") == _STRUCTURED for tool in tools)

    @property
    def tier(self) -> str | None:
        """The service tier that answered."""
        return self._info.service_tier

    @property
    def searches(self) -> bool:
        """True where more than tokens may be billed: the request may lead to it, or the answer cites the web."""
        cited = (value for choice in self._choices.values() for value in choice.annotations)
        return self._may_search or any(value.get("type") == "url_citation" for value in cited)

    @property
    def media(self) -> Media:
        """The media in the request, and those in the answer so far."""
        return self._media_asked, frozenset(self._media_answered)

    def feed(self, document: Any) -> Iterator[Event]:
        """The events of one chunk, or of a whole answer.

        Raises ToldInAnswer for a failure that the vendor tells in it, ProviderError `ERR_BAD_RESPONSE` for no object.
        """
        if not isinstance(document, Mapping):
            raise self._bad("is not the JSON object it should be")
        refuse_failure(document)
        self._note(document)
        choices = document.get("choices")
        # From its first choice on the answer has begun, though nothing may be said yet: who waits for it is told.
        if self._told is None and isinstance(choices, list) and choices:
            self._told = self._info
            yield self._info
        for position, choice in enumerate(choices if isinstance(choices, list) else ()):
            if isinstance(choice, Mapping):
                yield from self._of_choice(_number(choice.get("index"), position), choice, document)

    def end(self, usage: Usage | None) -> Iterator[Event]:
        """The last events. Raises ProviderError `ERR_BAD_RESPONSE` for an answer that broke off or calls tools with
        what is no JSON, and `ERR_CONTENT_POLICY` for one that the vendor withheld."""
        self._check()
        if self._told != self._info:
            yield self._info
        for index, choice in sorted(self._choices.items()):
            yield from _left(index, choice)
            yield Finish(index, choice.finish or "stop")
        if usage is not None:
            yield usage

    def _check(self) -> None:
        choices = self._choices.values()
        if not choices or any(choice.finish is None for choice in choices):
            raise self._bad("ended without a finish reason")
        for choice in choices:
            if choice.finish not in CUT_OFF and (why := choice.calls.unreadable()) is not None:
                raise self._bad(why)
        if all(choice.finish == "content_filter" and not (choice.said or choice.audio) for choice in choices):
            message = f"the vendor withheld the answer of {self.model}"
            raise ProviderError("ERR_CONTENT_POLICY", message, hint="change the prompt")

    def _bad(self, what: str) -> ProviderError:
        return ProviderError("ERR_BAD_RESPONSE", f"the answer of {self.model} {what}", hint="try again")

    def _note(self, document: Mapping[str, Any]) -> None:
        """Keep what is said of the whole answer."""
        info = self._info
        self._info = replace(
            info,
            model=_text(document.get("model")) or info.model,
            system_fingerprint=_text(document.get("system_fingerprint")) or info.system_fingerprint,
            service_tier=_text(document.get("service_tier")) or info.service_tier,
        )
        usage = document.get("usage")
        groq = document.get("x_groq")
        if usage is None and isinstance(groq, Mapping):
            usage = groq.get("usage")
        if isinstance(usage, Mapping):
            self.usage = dict(usage)

    def _of_choice(self, index: int, said: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[Event]:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice(ToolCalls(self._calls_before + index * 1000))
        for event in self._pieces(index, choice, _message_of(said, document)):
            if not all(map(is_unicode, _texts_in(event))):
                raise self._bad("holds text that is not Unicode")
            choice.said = True
            yield event
        for value in map(in_json, unread_parts(_message_of(said, document), document)):
            if value not in choice.unread:
                choice.unread.append(value)
        for value in map(in_json, annotations_of(_message_of(said, document), document)):
            if value not in choice.annotations:
                choice.annotations.append(value)
                yield Annotation(index, value)
        note_logprobs(choice.logprobs, said.get("logprobs"))
        if reason := _text(said.get("finish_reason")):
            choice.finish = "stop" if choice.is_structured else _REASONS.get(reason, reason)
            choice.stop_sequence = _text(document.get("stop_sequence")) or _matched(said, self._stops)
        if isinstance(said.get("usage"), Mapping) and not self.usage:
            self.usage = dict(said["usage"])

    def _pieces(self, index: int, choice: _Choice, message: Mapping[str, Any]) -> Iterator[Event]:
        note_blocks(choice.blocks, message)
        if reasoning := reasoning_of(message):
            yield Delta(index, reasoning=reasoning)
        if message.get("audio"):
            self._media_answered.add("audio")
        if signature := signature_of(message):
            yield Delta(index, signature=signature)
        for part in parts_of(message):
            yield self._part(index, choice, part)
        if transcript := choice.audio.feed(message.get("audio")):
            yield Delta(index, text=transcript)
        for call in _calls_of(message):
            for piece in choice.calls.feed(call):
                yield self._call(index, choice, piece)

    def _part(self, index: int, choice: _Choice, part: Part) -> Event:
        kind, value = part
        if kind != "file":
            return Delta(index, text=value) if kind == "text" else _prose(index, kind, value)
        choice.files += 1
        name = "image" if choice.files == 1 else f"image-{choice.files}"
        media_type, content = file_of(value)
        self._media_answered.update(media_of_type(media_type) or ("image",))
        return Output(_named(name, index), media_type, content)

    def _call(self, index: int, choice: _Choice, piece: ToolCallDelta) -> Delta:
        if piece.name == _STRUCTURED and not self._offers_structured:
            choice.is_structured = True
        return Delta(index, text=piece.arguments) if choice.is_structured else Delta(index, tool_call=piece)


def _prose(index: int, kind: str, text: str) -> Delta:
    return Delta(index, reasoning=text) if kind == "reasoning" else Delta(index, refusal=text)


def _left(index: int, choice: _Choice) -> Iterator[Output]:
    """The outputs of a choice that are whole only at its end."""
    for output in choice.audio.outputs():
        yield replace(output, name=_named(output.name, index))
    for name, blocks in sorted(choice.blocks.items()):
        yield Output(_named(name, index), _JSON, blocks)
    for name, value in (("logprobs", choice.logprobs), (VENDOR_PARTS, choice.unread)):
        if value:
            yield Output(_named(name, index), _JSON, value)
    if choice.stop_sequence and choice.finish == "stop":
        yield Output(_named("stop_sequence", index), "text/plain", choice.stop_sequence)


def _matched(said: Mapping[str, Any], stops: Sequence[str]) -> str | None:
    """The one of the request's stop sequences that a server on OpenAI's wire names: vLLM in `stop_reason`, SGLang in
    `matched_stop` (protocol.py of each). Both name tokens there too, by number, and other servers other reasons."""
    return next((said[name] for name in ("stop_reason", "matched_stop") if said.get(name) in stops), None)


def _named(name: str, index: int) -> str:
    return f"{name}.{index}" if index else name


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value and is_unicode(value) else None


def _texts_in(event: Event) -> Iterator[str]:
    """The texts of a piece, as the vendor said them. JSON can hold half of a surrogate pair (RFC 8259, 8.2)."""
    found: tuple[Any, ...] = ()
    if isinstance(event, Output):
        found = event.media_type, event.value
    elif isinstance(event, Delta) and (call := event.tool_call) is not None:
        found = call.id, call.name, call.arguments
    elif isinstance(event, Delta):
        found = event.text, event.reasoning, event.refusal
    return (value for value in found if isinstance(value, str))


def _number(value: Any, position: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else position


def _message_of(said: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """A choice's piece or message: servers are seen that send both, and one of them empty."""
    order = ("message", "delta") if document.get("object") == "chat.completion" else ("delta", "message")
    for name in order:
        if isinstance(said.get(name), Mapping) and said[name]:
            return dict(said[name])
    return {"content": said["text"]} if isinstance(said.get("text"), str) else {}


def _calls_of(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else [calls]:
        if isinstance(call, Mapping):
            yield call
    # The older way to call the one function that an answer may call.
    if not calls and isinstance(message.get("function_call"), Mapping):
        yield {"index": 0, "function": message["function_call"]}


def _calls_in(messages: Any) -> int:
    """Count the tools that were called in a conversation so far."""
    return sum(len(message.get("tool_calls") or ()) for message in messages or () if isinstance(message, Mapping))
