"""Output items of the Responses API: a message, reasoning, a function call or an image, and how each is streamed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, NamedTuple, Protocol

from theoryctl_providers.contract import Output
from theoryctl_providers.contract.answer import add_piece
from theoryctl_providers.wires.images import ADDRESS, in_base64

#: The name of an event, and its fields as JSON without the braces.
Named = tuple[str, str]


class Item(Protocol):
    """An item that was begun; `place` is its index among the items."""

    place: int

    def document(self, status: str) -> str:
        """Write it under a response of this status."""
        ...

    def opening(self) -> Iterator[Named]:
        """The events that begin it."""
        ...

    def closing(self) -> Iterator[Named]:
        """The events that end it."""
        ...


class Prose(NamedTuple):
    """A kind of text: the type of its part, the beginning of its events' names, and its field in both."""

    part: str
    events: str
    field: str = "text"


TEXT = Prose("output_text", "response.output_text")
REFUSAL = Prose("refusal", "response.refusal", "refusal")
REASONING = Prose("reasoning_text", "response.reasoning_text")


@dataclass(slots=True)
class Part:
    """A part of an item's content, of which there is one of each kind. `where` are the fields that say its place.

    `annotations` and `logprobs` are JSON, and belong to text alone.
    """

    kind: Prose
    where: str
    pieces: list[str] = field(default_factory=list)
    annotations: list[str] = field(default_factory=list)
    logprobs: str = "[]"

    def document(self) -> str:
        beside = f',"annotations":[{",".join(self.annotations)}],"logprobs":{self.logprobs}'
        return f'{{"type":"{self.kind.part}",{self._said()}{beside if self.kind is TEXT else ""}}}'

    def opening(self) -> Iterator[Named]:
        yield "response.content_part.added", f'{self.where},"part":{Part(self.kind, self.where).document()}'

    def add(self, text: str) -> Iterator[Named]:
        """Take in a piece."""
        add_piece(self.pieces, text)
        logprobs = ',"logprobs":[]' if self.kind is TEXT else ""
        yield f"{self.kind.events}.delta", f'{self.where},"delta":{quoted(text)}{logprobs}'

    def annotate(self, annotation: Mapping[str, Any]) -> Iterator[Named]:
        """Take in a source, an object in the vocabulary of chat completions."""
        written, index = json.dumps(_flat(annotation)), len(self.annotations)
        self.annotations.append(written)
        yield (
            "response.output_text.annotation.added",
            f'{self.where},"annotation_index":{index},"annotation":{written}',
        )

    def closing(self) -> Iterator[Named]:
        logprobs = f',"logprobs":{self.logprobs}' if self.kind is TEXT else ""
        yield f"{self.kind.events}.done", f"{self.where},{self._said()}{logprobs}"
        yield "response.content_part.done", f'{self.where},"part":{self.document()}'

    def _said(self) -> str:
        return f'"{self.kind.field}":{quoted("".join(self.pieces))}'


@dataclass(slots=True)
class ContentItem:
    """A message, or with `is_reasoning` what the model said to itself.

    `kept` is opaque to clients: it holds what the vendor wants back beside the reasoning.
    """

    key: str
    place: int
    is_reasoning: bool = False
    parts: list[Part] = field(default_factory=list)
    kept: str | None = None

    def part(self, kind: Prose) -> Part | None:
        return next((part for part in self.parts if part.kind is kind), None)

    def add_part(self, kind: Prose) -> Part:
        where = f'"item_id":"{self._id}","output_index":{self.place},"content_index":{len(self.parts)}'
        self.parts.append(Part(kind, where))
        return self.parts[-1]

    def document(self, status: str) -> str:
        return self._written(ended(status), ",".join(part.document() for part in self.parts))

    def opening(self) -> Iterator[Named]:
        yield added(self.place, self._written("in_progress", ""))

    def closing(self) -> Iterator[Named]:
        for part in self.parts:
            yield from part.closing()
        yield done(self.place, self.document("completed"))

    @property
    def _id(self) -> str:
        return f"{'rs' if self.is_reasoning else 'msg'}_{self.key}{self.place}"

    def _written(self, status: str, content: str) -> str:
        kind = '"type":"reasoning","summary":[]' if self.is_reasoning else '"type":"message","role":"assistant"'
        kept = "" if self.kept is None else f',"encrypted_content":{quoted(self.kept)}'
        return f'{{"id":"{self._id}",{kind},"status":"{status}","content":[{content}]{kept}}}'


@dataclass(slots=True)
class CallItem:
    """A function call; `index` is its number among the calls."""

    key: str
    place: int
    index: int
    name: str = ""
    call_id: str = ""
    extra_content: Mapping[str, Any] | None = None
    pieces: list[str] = field(default_factory=list)
    namespace: str | None = None

    def document(self, status: str) -> str:
        return self._written(ended(status), "".join(self.pieces) or "{}")

    def opening(self) -> Iterator[Named]:
        yield added(self.place, self._written("in_progress", ""))

    def add(self, text: str) -> Iterator[Named]:
        """Take in a piece of its arguments."""
        add_piece(self.pieces, text)
        yield "response.function_call_arguments.delta", f'{self._where},"delta":{quoted(text)}'

    def closing(self) -> Iterator[Named]:
        arguments = quoted("".join(self.pieces) or "{}")
        whole = f'{self._where},"name":{quoted(self.name)},"arguments":{arguments}'
        yield "response.function_call_arguments.done", whole
        yield done(self.place, self.document("completed"))

    @property
    def _where(self) -> str:
        return f'"item_id":"fc_{self.key}{self.place}","output_index":{self.place}'

    def _written(self, status: str, arguments: str) -> str:
        extra = "" if self.extra_content is None else f',"extra_content":{json.dumps(dict(self.extra_content))}'
        extra += "" if self.namespace is None else f',"namespace":{quoted(self.namespace)}'
        return (
            f'{{"id":"fc_{self.key}{self.place}","type":"function_call","status":"{status}",'
            f'"call_id":{quoted(self.call_id)},"name":{quoted(self.name)},"arguments":{quoted(arguments)}{extra}}}'
        )


@dataclass(slots=True)
class ImageItem:
    """An image; one of which only the address came has it beside a result that is null."""

    key: str
    place: int
    image: Output

    def document(self, status: str) -> str:
        is_address = self.image.media_type == ADDRESS
        format_ = "null" if is_address else quoted(self.image.media_type.partition("/")[2])
        result = f'null,"url":{quoted(self.image.value)}' if is_address else f'"{in_base64(self.image)}"'
        return self._written("completed", f'{result},"output_format":{format_}')

    def opening(self) -> Iterator[Named]:
        yield added(self.place, self._written("in_progress", "null"))

    def closing(self) -> Iterator[Named]:
        where = f'"item_id":"ig_{self.key}{self.place}","output_index":{self.place}'
        yield "response.image_generation_call.completed", where
        yield done(self.place, self.document("completed"))

    def _written(self, status: str, result: str) -> str:
        return (
            f'{{"id":"ig_{self.key}{self.place}","type":"image_generation_call","status":"{status}","result":{result}}}'
        )


def added(place: int, document: str) -> Named:
    """The event that begins an item."""
    return "response.output_item.added", f'"output_index":{place},"item":{document}'


def done(place: int, document: str) -> Named:
    """The event that ends an item."""
    return "response.output_item.done", f'"output_index":{place},"item":{document}'


def ended(status: str) -> str:
    """An item's status under its response's: what a failure left is incomplete too."""
    return "completed" if status == "completed" else "incomplete"


def _flat(annotation: Mapping[str, Any]) -> dict[str, Any]:
    """An annotation as this API has it: its facts beside its type; null for those of an address that nobody said."""
    kind = annotation.get("type")
    facts = annotation.get(kind) if isinstance(kind, str) else None
    if not isinstance(facts, Mapping):
        return dict(annotation)
    unsaid = {"title": None, "start_index": None, "end_index": None} if kind == "url_citation" else {}
    return {"type": kind, **unsaid, **facts}
