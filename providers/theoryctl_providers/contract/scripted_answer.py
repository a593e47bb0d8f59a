"""Answers that a script gives: what is said, how fast, and how it fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from theoryctl_providers.contract.constraints import STRICT, Must
from theoryctl_providers.contract.json_text import dumps

Seconds = Annotated[float, Must({"ge": 0, "le": 3600})]
#: At most what JSON carries exactly everywhere (RFC 8259, 6).
Count = Annotated[int, Must({"ge": 0, "le": 2**53 - 1})]
Words = Annotated[str, Must({"min_length": 1})]

#: The arguments of a call that are made from the schema of the tool that is offered.
FROM_SCHEMA = "from_schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedToolCall:
    """A call of a function, or with `input` of a custom tool."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    name: Words
    """The function's name; it need not be one that was offered."""
    arguments: Any = field(default_factory=dict)
    """Its arguments: an object; `from_schema`, which makes them from the schema of the offered tool and what the user
    says; or any other text, which is sent as it stands, such as JSON that is broken."""
    input: str | None = None
    """The text that a custom tool gets, in place of arguments. APIs without custom tools have it as the argument
    `input` of a function."""
    id: Words | None = None
    """Its id; without one, one is made from the inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A piece of a streamed text."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    text: Words
    """The piece."""
    delay: Seconds = 0.0
    """Seconds before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedUsage:
    """Usage of the answer; a number that is left out is counted as the mock counts it."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    input_tokens: Count | None = None
    """Tokens of the prompt."""
    output_tokens: Count | None = None
    """Tokens of the answer."""
    cost_usd: Annotated[float, Must({"ge": 0})] | None = None
    """Its price in US dollars."""
    cached_input_tokens: Count | None = None
    """Tokens of the prompt that came from the vendor's cache; unknown unless told."""
    cache_write_tokens: Count | None = None
    """Tokens of the prompt that were written to it; unknown unless told."""
    reasoning_tokens: Count | None = None
    """Tokens of the answer that were reasoning; unknown unless told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedAnnotation:
    """A source that the answer cites."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    url: Words
    """Its address."""
    title: str | None = None
    """Its title; its address, unless told."""
    start_index: Count | None = None
    """The first character of the answer's text that cites it; 0, unless told."""
    end_index: Count | None = None
    """The character after the last one that does; the end of the text, unless told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedFault:
    """A failure, after the chunks of the answer, or after some of them."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    kind: Literal["error", "stall", "disconnect", "truncate"] = "error"
    """`error`: an HTTP error. `stall`: nothing more comes. `disconnect`: the connection is cut. `truncate`: the stream
    ends properly, but too soon."""
    status: Annotated[int, Must({"ge": 400, "le": 599})] | None = None
    """The HTTP status of an `error`, 500 unless told; its code is that of a vendor's answer with this status."""
    retry_after: Seconds | None = None
    """Seconds in the `Retry-After` of an `error`."""
    message: Words | None = None
    """Message of an `error`."""
    after: Count | None = None
    """Number of chunks that come before it; all of them unless given."""
    probability: Annotated[float, Must({"ge": 0, "le": 1})] = 1.0
    """Share of the answers that fail, drawn with the script's `seed`: the same ones in each run. The others come whole;
    where the answer says nothing besides, the rules after this one answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedAnswer:
    """One answer: at most one of `text`, `json` and `chunks`; a refusal, tool calls or a fault beside it or instead.

    It is given as it stands: `max_tokens`, `stop` and `response_format` do not change it, and `n` gets it n times.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    text: str | None = None
    """The text, cut into chunks as the mock cuts its own."""
    json: Any = None
    """A JSON value; its text is the answer's."""
    chunks: tuple[Chunk, ...] = ()
    """The text in the chunks that are wanted, with delays."""
    reasoning: str | None = None
    """The reasoning that comes before the text, cut into chunks as a text is."""
    refusal: str | None = None
    """The words in which it declines, cut into chunks as a text is."""
    annotations: tuple[ScriptedAnnotation, ...] = ()
    """Sources that the text cites."""
    tool_calls: tuple[ScriptedToolCall, ...] = ()
    """Functions to be called."""
    logprobs: Any = None
    """Log probabilities for requests that ask for them: OpenAI's `logprobs` object, given as it stands."""
    delay: Seconds = 0.0
    """Seconds before anything comes; `ttft` says the same."""
    ttft: Seconds = 0.0
    """Seconds to the first token; `delay` says the same."""
    tokens_per_second: Annotated[float, Must({"gt": 0, "le": 1_000_000})] | None = None
    """Rate of the chunks after the first, also where the answer is not streamed. Without one there are no pauses."""
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter"] | None = None
    """Reason for the end; `tool_calls` where there are some, else `stop`."""
    stop_sequence: Words | None = None
    """The stop sequence that ended it, with the reason `stop`. Anthropic's API says it."""
    usage: ScriptedUsage = field(default_factory=ScriptedUsage)
    """Tokens and price."""
    fault: ScriptedFault | None = None
    """Its failure."""


#: A mistake: the path of what is wrong, and what is found and expected there.
Mistake = tuple[tuple[str | int, ...], str]


def says_something(answer: ScriptedAnswer) -> bool:
    """Return whether an answer has text, JSON, chunks, a refusal or tool calls: without its fault it is an answer."""
    return bool(_texts_of(answer) or answer.tool_calls) or answer.refusal is not None


def passes_on(answer: ScriptedAnswer) -> bool:
    """Return whether an answer leaves the request to the rules below it where its fault does not strike."""
    return answer.fault is not None and answer.fault.probability < 1 and not says_something(answer)


def finish_of(answer: ScriptedAnswer) -> str:
    """Return the reason for the end of an answer that has one."""
    return answer.finish_reason or ("tool_calls" if answer.tool_calls else "stop")


def _texts_of(answer: ScriptedAnswer) -> list[str]:
    return [name for name in ("text", "json", "chunks") if getattr(answer, name) not in (None, ())]


def mistakes_of(answer: ScriptedAnswer) -> Iterator[Mistake]:
    """Find mistakes in an answer whose fields are each right by themselves."""
    given = _texts_of(answer)
    if len(given) > 1:
        yield (given[1],), f"expected one of text, json and chunks, got it beside {given[0]}"
    if not says_something(answer) and answer.fault is None:
        yield (), "expected text, json, chunks, refusal, tool_calls or fault, got none of them"
    if answer.logprobs is not None and not isinstance(answer.logprobs, dict):
        yield ("logprobs",), f"expected an object with content, got {dumps(answer.logprobs)}"
    if answer.stop_sequence is not None and (reason := finish_of(answer)) != "stop":
        yield ("stop_sequence",), f"expected the finish_reason stop beside it, got {reason}"
    yield from _of_its_pace(answer)
    for index, call in enumerate(answer.tool_calls):
        yield from ((("tool_calls", index, key), what) for key, what in _of_a_call(call))
    for name in ("status", "retry_after", "message") if answer.fault else ():
        if answer.fault and answer.fault.kind != "error" and getattr(answer.fault, name) is not None:
            yield ("fault", name), f"expected kind error beside it, got {answer.fault.kind}"


def _of_its_pace(answer: ScriptedAnswer) -> Iterator[Mistake]:
    if answer.delay and answer.ttft:
        yield ("ttft",), "expected ttft or delay, which say the same, got both"
    if answer.tokens_per_second is not None and any(chunk.delay for chunk in answer.chunks):
        yield ("tokens_per_second",), "expected it, or chunks with delays, got both"


def _of_a_call(call: ScriptedToolCall) -> Iterator[tuple[str, str]]:
    if call.input is not None and call.arguments != {}:
        yield "input", "expected input or arguments, got both"
    if not isinstance(call.arguments, (dict, str)):
        yield "arguments", f"expected an object, or a text to send as it stands, got {dumps(call.arguments)}"
