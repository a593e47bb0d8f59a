"""An answer, collected from its events."""

from __future__ import annotations

from dataclasses import dataclass, field

from theoryctl_providers.contract.envelope import Envelope
from theoryctl_providers.contract.errors import ProviderError
from theoryctl_providers.contract.events import Delta, Finish, Log, Output, Started, ToolCallDelta, Usage


@dataclass(slots=True)
class ToolCall:
    """A tool call; `arguments` are pieces of JSON text."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)

    def add(self, delta: ToolCallDelta) -> None:
        self.id = self.id or _unicode(delta.id or "")
        self.name = self.name or _unicode(delta.name or "")
        self.arguments.append(_unicode(delta.arguments))


@dataclass(slots=True)
class Choice:
    """One of the answers to a request; `pieces` are pieces of text, `calls` are by their number."""

    pieces: list[str] = field(default_factory=list)
    calls: dict[int, ToolCall] = field(default_factory=dict)
    finish: str = "stop"

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass(slots=True)
class Answer:
    """Everything that was said so far: choices by their number, outputs by their name."""

    choices: dict[int, Choice] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)

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

    def _add_delta(self, delta: Delta) -> None:
        if delta.tool_call is not None:
            self._choice(delta.choice).calls.setdefault(delta.tool_call.index, ToolCall()).add(delta.tool_call)
        if delta.text:
            self._choice(delta.choice).pieces.append(_unicode(delta.text))

    def _choice(self, index: int) -> Choice:
        found = self.choices.get(index)
        if found is None:
            found = self.choices[index] = Choice()
        return found


def _unicode(text: str) -> str:
    """The text, if it is one: vendors were seen to send halves of surrogate pairs."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            message = "the vendor's answer holds text that is not Unicode"
            raise ProviderError("ERR_BAD_RESPONSE", message, hint="try again") from None
    return text


@dataclass(frozen=True, slots=True)
class Result:
    """The last event of every stream, success or failure.

    `cause` is the failure as it was raised, for what an envelope has no room for (`retry_after`, `param`, a
    `ScriptedFailure`'s `kind`). Its texts may hold secrets; the envelope's do not. `answer` is what was said, in
    pieces. Neither goes over the wire.
    """

    envelope: Envelope
    cause: ProviderError | None = field(default=None, repr=False)
    answer: Answer | None = field(default=None, repr=False)


Event = Log | Started | Delta | Output | Usage | Finish | Result
