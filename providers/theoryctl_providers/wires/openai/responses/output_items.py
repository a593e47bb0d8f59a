"""Output items of the Responses API: a message with one text, or a function call, and how each is streamed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii as quoted
from typing import ClassVar

#: The name of an event, and its fields as JSON without the braces.
Named = tuple[str, str]


@dataclass(slots=True)
class TextItem:
    """A message; `place` is its index among the items."""

    delta_name: ClassVar[str] = "response.output_text.delta"

    key: str
    place: int
    pieces: list[str] = field(default_factory=list)

    def document(self, status: str) -> str:
        return self._written(_ended(status), f"[{_part(''.join(self.pieces))}]")

    def opening(self) -> Iterator[Named]:
        yield "response.output_item.added", f'"output_index":{self.place},"item":{self._written("in_progress", "[]")}'
        yield "response.content_part.added", f'{self._where},"part":{_part("")}'

    def delta(self, text: str) -> str:
        return f'{self._where},"delta":{quoted(text)},"logprobs":[]'

    def closing(self) -> Iterator[Named]:
        text = "".join(self.pieces)
        yield "response.output_text.done", f'{self._where},"text":{quoted(text)},"logprobs":[]'
        yield "response.content_part.done", f'{self._where},"part":{_part(text)}'
        yield "response.output_item.done", f'"output_index":{self.place},"item":{self.document("completed")}'

    @property
    def _where(self) -> str:
        return f'"item_id":"msg_{self.key}{self.place}","output_index":{self.place},"content_index":0'

    def _written(self, status: str, content: str) -> str:
        return (
            f'{{"id":"msg_{self.key}{self.place}","type":"message","role":"assistant","status":"{status}",'
            f'"content":{content}}}'
        )


@dataclass(slots=True)
class CallItem:
    """A function call; `index` is its number among the calls."""

    delta_name: ClassVar[str] = "response.function_call_arguments.delta"

    key: str
    place: int
    index: int
    name: str = ""
    call_id: str = ""
    pieces: list[str] = field(default_factory=list)

    def document(self, status: str) -> str:
        return self._written(_ended(status), "".join(self.pieces) or "{}")

    def opening(self) -> Iterator[Named]:
        yield "response.output_item.added", f'"output_index":{self.place},"item":{self._written("in_progress", "")}'

    def delta(self, text: str) -> str:
        return f'{self._where},"delta":{quoted(text)}'

    def closing(self) -> Iterator[Named]:
        arguments = quoted("".join(self.pieces) or "{}")
        done = f'{self._where},"name":{quoted(self.name)},"arguments":{arguments}'
        yield "response.function_call_arguments.done", done
        yield "response.output_item.done", f'"output_index":{self.place},"item":{self.document("completed")}'

    @property
    def _where(self) -> str:
        return f'"item_id":"fc_{self.key}{self.place}","output_index":{self.place}'

    def _written(self, status: str, arguments: str) -> str:
        return (
            f'{{"id":"fc_{self.key}{self.place}","type":"function_call","status":"{status}",'
            f'"call_id":{quoted(self.call_id)},"name":{quoted(self.name)},"arguments":{quoted(arguments)}}}'
        )


Item = TextItem | CallItem


def _ended(status: str) -> str:
    """An item's status under its response's: what a failure left is incomplete too."""
    return "completed" if status == "completed" else "incomplete"


def _part(text: str) -> str:
    return f'{{"type":"output_text","text":{quoted(text)},"annotations":[],"logprobs":[]}}'
