"""The events of an answer: text and calls in pieces, whole outputs, usage, and why it ended."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from theoryctl_providers.contract.envelope import Mode

Operation = Literal["chat", "embeddings"]


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of one tool call: `id` and `name` come with its first piece, `arguments` is a fragment of JSON text."""

    index: int
    arguments: str = ""
    id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """Progress worth telling a person, or with `debug` only a developer; never part of the result."""

    message: str
    debug: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """The request was admitted and the provider is loaded.

    Nothing before this event suspends, so a caller may drive the stream up to here without an event loop, and all the
    way when `suspends` is false: it speaks of this very request.
    """

    model: str
    mode: Mode
    suspends: bool


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer numbered `choice` (from 0): text, or part of a tool call."""

    choice: int = 0
    text: str | None = None
    tool_call: ToolCallDelta | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """A whole named output that is not streamed text: `value` is text, or any JSON value with a JSON media type."""

    name: str
    media_type: str
    value: Any


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of the whole request and its price in US dollars (None: unknown)."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """The reason that a choice ended, in OpenAI's words: stop, length, tool_calls, content_filter."""

    choice: int = 0
    reason: str = "stop"


def filled(event: Any) -> dict[str, Any]:
    """The fields of an event that say something, as JSON."""
    values = {item.name: getattr(event, item.name) for item in fields(event)}
    call = values.get("tool_call")
    if call is not None:
        values["tool_call"] = filled(call)
    return {name: value for name, value in values.items() if value is not None}
