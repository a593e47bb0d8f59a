"""What an answer consists of, collected from the engine's events, before it is written in one of OpenAI's formats."""

from __future__ import annotations

from dataclasses import dataclass, field

from theoryctl_providers.contract import Delta, Event, Finish, Output, ToolCallDelta, Usage


@dataclass(slots=True)
class Call:
    """A tool call; `arguments` are pieces of JSON text."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)

    def add(self, delta: ToolCallDelta) -> None:
        self.id = self.id or delta.id or ""
        self.name = self.name or delta.name or ""
        self.arguments.append(delta.arguments)


@dataclass(slots=True)
class Choice:
    """One of the answers to a request."""

    pieces: list[str] = field(default_factory=list)
    calls: dict[int, Call] = field(default_factory=dict)
    finish: str = "stop"

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass(slots=True)
class Answer:
    """Everything that was said, in pieces. There is always a choice 0, an empty one if need be."""

    choices: dict[int, Choice] = field(default_factory=lambda: {0: Choice()})
    outputs: dict[str, Output] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)

    def add(self, event: Event) -> None:
        """Take in one event; those that say nothing are left out."""
        if isinstance(event, Delta):
            choice = self._choice(event.choice)
            if event.tool_call is not None:
                choice.calls.setdefault(event.tool_call.index, Call()).add(event.tool_call)
            if event.text:
                choice.pieces.append(event.text)
        elif isinstance(event, Finish):
            self._choice(event.choice).finish = event.reason
        elif isinstance(event, Usage):
            self.usage = event
        elif isinstance(event, Output):
            self.outputs[event.name] = event

    def _choice(self, index: int) -> Choice:
        found = self.choices.get(index)
        if found is None:
            found = self.choices[index] = Choice()
        return found
