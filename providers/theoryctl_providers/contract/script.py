"""A script of mock answers: rules tried in order, each with its conditions and its answers.

These are plain frozen dataclasses, as a manifest's are. The host validates YAML against them (`script_check.py`) and
makes the published JSON Schema from them; attribute docstrings are the descriptions in that schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from theoryctl_providers.contract.constraints import STRICT, Must
from theoryctl_providers.contract.envelope import document_of
from theoryctl_providers.contract.from_json import shaped
from theoryctl_providers.contract.json_text import dumps, json_path

#: The version of the mock's own answers.
NEWEST = 2

Seconds = Annotated[float, Must({"ge": 0, "le": 3600})]
Count = Annotated[int, Must({"ge": 0})]
Words = Annotated[str, Must({"min_length": 1})]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSays:
    """Conditions on the last message of the user; all that are given must hold."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    equals: str | None = None
    """The whole text."""
    contains: Words | None = None
    """A part of it, upper and lower case as written."""
    regex: Words | None = None
    """A regular expression found somewhere in it: `(?i)` ignores case, `^…$` wants the whole. It is matched in linear
    time, so there are no look-arounds and no back references."""


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The conditions of a rule. All that are given must hold; a rule without conditions fits every request."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    model: Words | None = None
    """The model, as a shell pattern: `openai/*`."""
    user: UserSays | None = None
    """The last message of the user; its text parts are joined by a space."""
    turn: Annotated[int, Must({"ge": 1})] | None = None
    """Number of the answer in the conversation: 1 where no assistant message stands in it yet."""
    tools: tuple[Words, ...] = ()
    """Names of functions that must be offered."""
    attachments: tuple[Words, ...] = ()
    """Shell patterns, each of which must match the name of an attachment: `*.png`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedToolCall:
    """A call of a function."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    name: Words
    """The function's name; it need not be one that was offered."""
    arguments: Any = field(default_factory=dict)
    """Its arguments: an object, or a text that is sent as it stands, such as JSON that is broken."""
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
    """Its title."""
    start_index: Count | None = None
    """The first character of the answer's text that cites it."""
    end_index: Count | None = None
    """The character after the last one that does."""


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
    """Seconds before anything comes."""
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter"] | None = None
    """Reason for the end; `tool_calls` where there are some, else `stop`."""
    usage: ScriptedUsage = field(default_factory=ScriptedUsage)
    """Tokens and price."""
    fault: ScriptedFault | None = None
    """Its failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Answers for the requests that meet the conditions."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    when: When = field(default_factory=When)
    """The conditions."""
    answers: Annotated[tuple[ScriptedAnswer, ...], Must({"min_length": 1})]
    """One for each successive request that the rule answers."""
    exhausted: Literal["repeat", "restart", "skip"] = "repeat"
    """Behaviour after the last answer: the last again, the first again, or the rules after this one."""
    name: Words | None = None
    """Name of the rule in error messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptDocument:
    """Says what mock mode answers."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    rules: tuple[Rule, ...] = ()
    """Tried in order; the first one that fits answers. There may be none where `tools` or `mock_version` is there."""
    tools: Literal["each", "none"] | None = None
    """`each`: where no rule fits, the mock calls each tool that is offered, once in a turn of the user, and then
    answers; a tool that hands in the answer (`submit`, `final_answer`) comes last. Otherwise it calls
    only what it must."""
    mock_version: Annotated[int, Must({"ge": 1, "le": 2})] = 2
    """`1`: where no rule fits, answers with a schema are as they were in theoryctl 0.1: without optional properties."""
    strict: bool = False
    """True where a request that no rule fits is an error (`ERR_SCRIPT_MISS`); otherwise the mock answers it."""

    def mistakes(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Find mistakes in answers whose fields are each right by themselves: path, and the value expected."""
        if not self.rules and self.tools is None and self.mock_version == NEWEST:
            yield ("rules",), "found no rules; expected at least one, or tools, or mock_version: 1"
        for index, rule in enumerate(self.rules):
            for number, answer in enumerate(rule.answers):
                for path, what in _mistakes(answer):
                    yield ("rules", index, "answers", number, *path), what


def _mistakes(answer: ScriptedAnswer) -> Iterator[tuple[tuple[str | int, ...], str]]:
    given = [name for name in ("text", "json", "chunks") if getattr(answer, name) not in (None, ())]
    if len(given) > 1:
        yield (given[1],), f"found beside {given[0]}; expected one of text, json and chunks"
    if not given and not answer.tool_calls and answer.fault is None and answer.refusal is None:
        yield (), "found no answer; expected text, json, chunks, refusal, tool_calls or fault"
    if answer.logprobs is not None and not isinstance(answer.logprobs, dict):
        yield ("logprobs",), f"found {dumps(answer.logprobs)}; expected an object with content"
    for index, call in enumerate(answer.tool_calls):
        if not isinstance(call.arguments, (dict, str)):
            what = f"found {dumps(call.arguments)}; expected an object, or a text to send as it stands"
            yield ("tool_calls", index, "arguments"), what
    for name in ("status", "retry_after", "message") if answer.fault else ():
        if answer.fault and answer.fault.kind != "error" and getattr(answer.fault, name) is not None:
            yield ("fault", name), f"found with kind {answer.fault.kind}; expected with kind error only"


def told_to_any(document: dict[str, Any]) -> dict[str, Any]:
    """The document without what says nothing new, for images that were built before there was such a key."""
    if document["mock_version"] == NEWEST:
        del document["mock_version"]
    return document


class Script:
    """A script at work: its document, and how many answers each rule has given.

    Whoever holds the object holds the position: a started instance keeps one, a single run starts a new one.
    """

    def __init__(self, document: ScriptDocument) -> None:
        self.document = document
        self._given = [0] * len(document.rules)

    @classmethod
    def load(cls, value: Mapping[str, Any]) -> Script:
        """The script of a JSON document that is valid by docs/script.schema.json.

        Raises ValueError for another, with the place of what is wrong.
        """
        document = shaped(ScriptDocument, value)
        for path, what in document.mistakes():
            raise ValueError(f"{json_path(path)}: {what}")
        return cls(document)

    def dump(self) -> dict[str, Any]:
        """The document as JSON, from which `load` makes a script that is at its beginning."""
        return told_to_any(document_of(self.document))

    @property
    def carries_logprobs(self) -> bool:
        """Say whether any of its answers has log probabilities."""
        return any(answer.logprobs is not None for rule in self.document.rules for answer in rule.answers)

    def take(self, index: int) -> ScriptedAnswer | None:
        """The next answer of a rule; None where it has none left."""
        rule, given = self.document.rules[index], self._given[index]
        if given < len(rule.answers):
            answer = rule.answers[given]
        elif rule.exhausted == "skip":
            return None
        else:
            answer = rule.answers[-1 if rule.exhausted == "repeat" else given % len(rule.answers)]
        self._given[index] = given + 1
        return answer
