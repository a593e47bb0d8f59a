"""Answers in pieces on APIs whose calls of tools come whole: words as they come, all else at the end."""

from __future__ import annotations

from theoryctl_providers.contract import Delta, Event, Output, VendorInfo
from theoryctl_providers.contract.answer import Answer
from theoryctl_providers.wires.exchange import Chunks, Head


class Spoken(Chunks):
    """Collects an answer, and writes of it what can be said by now. A dialect writes the words, and `end`."""

    def __init__(self, head: Head) -> None:
        self.head, self.answer = head, Answer()

    @property
    def vendor(self) -> VendorInfo:
        """The vendor, as far as it is known by now."""
        return self.answer.vendor or VendorInfo()

    def piece(self, event: Event) -> bytes:
        """The piece that an event becomes; nothing for most."""
        self.answer.add(event)
        if isinstance(event, Output):
            return self.output(event)
        if not isinstance(event, Delta):
            return b""
        if event.reasoning:
            return self.words(event.choice, event.reasoning, is_thought=True)
        text = event.text or event.refusal
        return self.words(event.choice, text) if text else b""

    def words(self, choice: int, text: str, *, is_thought: bool = False) -> bytes:
        """Write a piece of the text of a choice, or of its reasoning."""
        raise NotImplementedError

    def output(self, output: Output) -> bytes:
        """Write an output that does not wait for the end; nothing for most."""
        raise NotImplementedError
