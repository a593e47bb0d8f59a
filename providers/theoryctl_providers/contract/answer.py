"""An answer, collected from its events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from theoryctl_providers.contract.envelope import Envelope
from theoryctl_providers.contract.errors import ProviderError
from theoryctl_providers.contract.events import (
    Annotation,
    Delta,
    Finish,
    Log,
    Output,
    Started,
    ToolCallDelta,
    Usage,
    VendorInfo,
)

# These three are no dataclasses: every start makes the classes, and every request their objects.


class ToolCall:
    """A tool call; `arguments` are pieces of JSON text, `extra_content` goes back to the vendor with it."""

    __slots__ = ("arguments", "extra_content", "id", "name")

    def __init__(self) -> None:
        self.id = self.name = ""
        self.arguments: list[str] = []
        self.extra_content: Mapping[str, Any] | None = None

    def add(self, delta: ToolCallDelta) -> None:
        self.id = self.id or _unicode(delta.id or "")
        self.name = self.name or _unicode(delta.name or "")
        self.extra_content = self.extra_content or delta.extra_content
        self.arguments.append(_unicode(delta.arguments))


class Choice:
    """One of the answers to a request; `pieces` are pieces of text, `calls` are by their number.

    `reasoning` and `refusal` are pieces of text too; `annotations` are objects in OpenAI's vocabulary.
    """

    __slots__ = ("annotations", "calls", "finish", "pieces", "reasoning", "refusal")

    def __init__(self, pieces: list[str] | None = None, finish: str = "stop") -> None:
        self.pieces = [] if pieces is None else pieces
        self.finish = finish
        self.calls: dict[int, ToolCall] = {}
        self.reasoning: list[str] = []
        self.refusal: list[str] = []
        self.annotations: list[Mapping[str, Any]] = []

    @property
    def text(self) -> str:
        return "".join(self.pieces)


#: The usage of an answer that has not said any.
_UNKNOWN = Usage()


class Answer:
    """Everything that was said so far: choices by their number, outputs in their order."""

    __slots__ = ("choices", "outputs", "usage", "vendor")

    def __init__(self) -> None:
        self.choices: dict[int, Choice] = {}
        self.outputs: list[Output] = []
        self.usage = _UNKNOWN
        self.vendor: VendorInfo | None = None

    def add(self, event: Event) -> None:
        """Take in one event. Raises ProviderError `ERR_BAD_RESPONSE` for text that is not Unicode."""
        if isinstance(event, Delta):
            self._add_delta(event)
        elif isinstance(event, Finish):
            self._choice(event.choice).finish = event.reason
        elif isinstance(event, Usage):
            self.usage = event
        elif isinstance(event, Output):
            self.outputs.append(event)
        elif isinstance(event, Annotation):
            self._choice(event.choice).annotations.append(event.value)
        elif isinstance(event, VendorInfo):
            self.vendor = event

    def add_text(self, choices: dict[int, Choice]) -> None:
        """Take in choices with nothing but pieces of text, known to be Unicode, some of which may have begun before."""
        for index, choice in choices.items():
            found = self._choice(index)
            found.pieces += choice.pieces
            found.finish = choice.finish

    def outputs_of(self, choice: int) -> dict[str, Output]:
        """The outputs of a choice, by their names without its number."""
        placed = ((place_of(output), output) for output in self.outputs)
        return {name: output for (number, name), output in placed if number == choice}

    def _add_delta(self, delta: Delta) -> None:
        if delta.tool_call is not None:
            self._choice(delta.choice).calls.setdefault(delta.tool_call.index, ToolCall()).add(delta.tool_call)
        if delta.text:
            add_piece(self._choice(delta.choice).pieces, _unicode(delta.text))
        if delta.reasoning:
            add_piece(self._choice(delta.choice).reasoning, _unicode(delta.reasoning))
        if delta.refusal:
            add_piece(self._choice(delta.choice).refusal, _unicode(delta.refusal))

    def _choice(self, index: int) -> Choice:
        found = self.choices.get(index)
        if found is None:
            found = self.choices[index] = Choice()
        return found


def place_of(output: Output) -> tuple[int, str]:
    """The number of the choice that an output belongs to, and its name without that number."""
    stem, dot, number = output.name.rpartition(".")
    return (int(number), stem) if dot and number.isascii() and number.isdecimal() else (0, output.name)


def add_piece(pieces: list[str], text: str) -> None:
    """Add a piece of text, joined with those before it that are no longer: each takes 57 bytes beside its characters.

    A character is copied as often as the text behind it doubles.
    """
    while pieces and len(pieces[-1]) <= len(text):
        text = pieces.pop() + text
    pieces.append(text)


def _unicode(text: str) -> str:
    """The text, if it is one: vendors were seen to send halves of surrogate pairs."""
    if not (text.isascii() or is_unicode(text)):
        raise ProviderError("ERR_BAD_RESPONSE", "the vendor's answer holds text that is not Unicode", hint="try again")
    return text


def is_unicode(text: str) -> bool:
    """Return whether a text holds no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Result:
    """The last event of every stream, success or failure.

    `cause` is the failure as it was raised, for what an envelope has no room for (`retry_after`, `param`, a
    `ScriptedFailure`'s `kind`). Its texts may hold secrets; the envelope's do not. `answer` is what was said, in
    pieces. `answered_by` is the rule of a script, the file of a recording, `mock` or `vendor`; None where nobody was
    asked. `notes` say what is odd about the rule's answer. None of them goes over the wire.
    """

    envelope: Envelope
    cause: ProviderError | None = field(default=None, repr=False)
    answer: Answer | None = field(default=None, repr=False)
    answered_by: str | None = None
    notes: tuple[str, ...] = ()


Event = Log | Started | Delta | Annotation | Output | Usage | Finish | VendorInfo | Result
