"""The events of an answer: text and calls in pieces, whole outputs, usage, and why it ended."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeVar

from theoryctl_providers.contract.envelope import Mode

#: What is asked of a provider. `count_tokens` has the inputs of a chat, and an answer that is its usage alone.
Operation = Literal["chat", "embeddings", "count_tokens"]

_Event = TypeVar("_Event")


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of one tool call: `id` and `name` come with its first piece, `arguments` is a fragment of JSON text.

    `extra_content` is an object that the vendor wants back with the call, such as Gemini's thought signature.
    """

    index: int
    arguments: str = ""
    id: str | None = None
    name: str | None = None
    extra_content: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """Progress worth telling a person, or with `debug` only a developer; never part of the result."""

    message: str
    debug: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """The request was admitted and the provider is loaded.

    Nothing before this event suspends, so a caller may drive the stream up to here without an event loop, and all the
    way when `suspends` is false: it speaks of this very request. `usage` is what is known by now, for a request that
    wants it early: a mock's tokens of the prompt; None: nothing.
    """

    model: str
    mode: Mode
    suspends: bool
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer numbered `choice` (from 0): text, part of a tool call, reasoning, or a refusal.

    `signature` ends a block of reasoning that the vendor signed, where it comes as the vendor said it. The output
    `thinking_blocks` has it too, with the block.
    """

    choice: int = 0
    text: str | None = None
    tool_call: ToolCallDelta | None = None
    reasoning: str | None = None
    refusal: str | None = None
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class Annotation:
    """A source or other note that belongs to the answer numbered `choice`.

    `value` is an object in OpenAI's vocabulary: `{"type": "url_citation", "url_citation": {"url": …, "title": …}}`.
    """

    choice: int
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Output:
    """A whole named output that is not streamed text.

    `value` is text, any JSON value with the media type `application/json`, or bytes, such as an image's. An output of
    a further choice has its number behind the name: `image.1`. `thinking_blocks` and `reasoning_details` are lists
    that the vendor wants back, unchanged, under these names in the assistant's message. `stop_sequence` is the text at
    which a choice stopped, where it is known. `audio` is speech, whose words are the answer's text, and
    `audio_reference` the id by which the vendor knows it, and until when. `vendor_parts` is a list of parts of the
    answer for which there is no event, as the vendor says them.
    """

    name: str
    media_type: str
    value: Any


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of the whole request and its price in US dollars (None: unknown).

    `cached_input_tokens` (read from the vendor's cache) and `cache_write_tokens` are among `input_tokens`,
    `reasoning_tokens` among `output_tokens`.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class VendorInfo:
    """Facts about who answered (None: not said): the model as the vendor calls it, and its rate limits.

    `headers` are those of its HTTP response that tell rate limits, when to try again, and the request's id there, by
    their names in lower case.
    """

    model: str | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finish:
    """The reason that a choice ended, in OpenAI's words: stop, length, tool_calls, content_filter."""

    choice: int = 0
    reason: str = "stop"


#: Reasons of an answer that was cut off: the arguments of its last tool call need not be whole.
CUT_OFF = ("length", "content_filter")


def filled(event: Any) -> dict[str, Any]:
    """The fields of an event that say something, as JSON."""
    values = {item.name: getattr(event, item.name) for item in fields(event)}
    call = values.get("tool_call")
    if call is not None:
        values["tool_call"] = filled(call)
    if isinstance(values.get("value"), bytes):
        values["base64"] = base64.b64encode(values.pop("value")).decode()
    return {name: value for name, value in values.items() if value is not None}


def with_fields(event: _Event, change: Callable[[Any], Any]) -> _Event:
    """Return an event with each of its fields as `change` makes it of the value there; the same event where it makes
    nothing new."""
    made = {}
    for item in fields(event):  # type: ignore[arg-type]  # every event is a dataclass
        value = getattr(event, item.name)
        if (new := change(value)) is not value:
            made[item.name] = new
    return replace(event, **made) if made else event  # type: ignore[type-var]
