"""Take an excerpt of a large document that a JSON Schema refuses: small, and refused for the same reasons.

A validator that lists every problem needs a hundred times the memory of the document. It gets the excerpt instead: of
each array and each map the items that are refused, up to a number, and of each text as much as the schema looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from theoryctl_providers.contract.json_text import cut

#: Values in a document, and characters in its texts, up to which all of it may be looked at.
SMALL, SMALL_TEXT = 1_000, 100_000

Path = tuple[str | int, ...]

#: The refusal of a value by the schema at a pointer (RFC 6901): True where it does not fit.
Refuses = Callable[[str, Any], bool]

#: Characters of a text that are kept, one more than is ever shown.
_SHOWN = 201

#: Assertions on a text for which all of it counts.
_WHOLE_TEXT = ("pattern", "format", "contentEncoding", "contentMediaType")


class _Node(NamedTuple):
    """A schema that may apply to a value, and the pointer to it."""

    pointer: str
    schema: Mapping[str, Any]


class _Refused(NamedTuple):
    """The first items or keys that are refused, and the number of all; their list may be larger than the document."""

    first: list[Any]
    number: int

    @classmethod
    def of(cls, refused: Iterable[Any], most: int) -> _Refused:
        """Keep at most so many, and count the rest."""
        waiting = iter(refused)
        first = list(islice(waiting, most))
        return cls(first, len(first) + sum(1 for _ in waiting))


class Excerpt:
    """An excerpt, where its items stood in the document, and at least how many refused ones it leaves out."""

    def __init__(self, document: Any, schema: Mapping[str, Any], refuses: Refuses, most: int) -> None:
        self.left_out = 0
        self._document, self._schema, self._refuses = document, schema, refuses
        self._places: dict[Path, list[int]] = {}
        self.value = self._part(document, [""], (), most)

    def place(self, path: Iterable[str | int]) -> list[str | int]:
        """Return the path in the document of a path in the excerpt."""
        found: list[str | int] = []
        at: Path = ()
        for step in path:
            kept = self._places.get(at)
            found.append(kept[step] if kept is not None and isinstance(step, int) else step)
            at = (*at, step)
        return found

    def crowded(self) -> Iterator[tuple[str, int]]:
        """Yield the inputs that are arrays of more items than any of their schemas takes, each with the most of these.

        Where one of several schemas has to fit, items that another refuses keep the excerpt from being too long itself.
        """
        for name, value in self._document.items() if isinstance(self._document, dict) else ():
            if isinstance(value, list):
                nodes = self._nodes(_pointers_to(name, list(self._nodes([""]))))
                most = max((node.schema["maxItems"] for node in nodes if "maxItems" in node.schema), default=len(value))
                if len(value) > most:
                    yield name, most

    def _part(self, value: Any, pointers: Iterable[str], at: Path, most: int) -> Any:
        nodes = list(self._nodes(pointers))
        if isinstance(value, str):
            return _text(value, nodes)
        if isinstance(value, list):
            return self._array(value, nodes, at, most)
        return self._object(value, nodes, at, most) if isinstance(value, dict) else value

    def _array(self, value: list[Any], nodes: list[_Node], at: Path, most: int) -> list[Any]:
        kept: Sequence[int] = range(len(value))
        items = [node.pointer + "/items" for node in nodes if isinstance(node.schema.get("items"), dict)]
        if len(value) > most:
            fixed = max((len(node.schema.get("prefixItems", ())) for node in nodes), default=0)
            refused = [_Refused.of(self._refused_items(value, each), most) for each in items]
            kept = self._places[at] = _chosen(kept, refused, kept[:fixed], _least(nodes, "Items"), most)
            self._leave_out(refused, most)
        each = max(2, most // max(1, len(kept)))
        first = [f"{node.pointer}/prefixItems" for node in nodes if "prefixItems" in node.schema]
        return [
            self._part(value[index], [*items, *(f"{pointer}/{index}" for pointer in first)], (*at, number), each)
            for number, index in enumerate(kept)
        ]

    def _object(self, value: dict[str, Any], nodes: list[_Node], at: Path, most: int) -> dict[str, Any]:
        named = {name for node in nodes for key in ("properties", "required") for name in node.schema.get(key, ())}
        kept = list(value)
        if len(value) > most + len(named):
            refused = [_Refused.of(self._refused_keys(value, node), most) for node in nodes if _limits_keys(node)]
            kept = _chosen(kept, refused, [key for key in kept if key in named], _least(nodes, "Properties"), most)
            self._leave_out(refused, most)
        each = max(2, most // max(1, len([key for key in kept if key not in named])))
        found = {}
        for key in kept:
            name = key if key in named else cut(key)
            share = most if key in named else each
            found[name] = self._part(value[key], _pointers_to(key, nodes), (*at, name), share)
        return found

    def _refused_items(self, value: list[Any], pointer: str) -> Iterator[int]:
        return (index for index, item in enumerate(value) if self._refuses(pointer, item))

    def _refused_keys(self, value: dict[str, Any], node: _Node) -> Iterator[str]:
        """The keys beyond the properties of a schema, which takes none, or none with such a value."""
        known = node.schema.get("properties", {})
        takes_none = node.schema.get("additionalProperties") is False
        for key, item in value.items():
            if key not in known and (takes_none or self._refuses(f"{node.pointer}/additionalProperties", item)):
                yield key

    def _leave_out(self, refused: list[_Refused], most: int) -> None:
        # Where one of several schemas has to fit, items that another one refuses may be no problem.
        self.left_out += max(0, min((each.number for each in refused), default=0) - most)

    def _nodes(self, pointers: Iterable[str]) -> Iterator[_Node]:
        """The schemas at pointers, and those that these refer to and combine."""
        waiting, seen = list(pointers), set()
        while waiting:
            pointer = waiting.pop()
            schema = _at(self._schema, pointer)
            if pointer in seen or not isinstance(schema, dict):
                continue
            seen.add(pointer)
            yield _Node(pointer, schema)
            waiting += _applied(pointer, schema)


def is_small(document: Any) -> bool:
    """Return whether a document may be looked at whole."""
    waiting, values, characters = [document], 0, 0
    while waiting and values <= SMALL and characters <= SMALL_TEXT:
        value = waiting.pop()
        values += 1
        if isinstance(value, str):
            characters += len(value)
        elif isinstance(value, dict):
            characters += sum(map(len, value))
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return not waiting and values <= SMALL and characters <= SMALL_TEXT


def _chosen(
    all_of: Sequence[Any], refused: list[_Refused], fixed: Sequence[Any], least: tuple[int, int], most: int
) -> list[Any]:
    """The items or keys to keep, in their order: the first refused ones, and so many that sizes still fit, or where
    nothing else is wrong, still do not."""
    wanted = {item for each in refused for item in each.first}
    size = least[0] if wanted else max(*least, most)
    wanted.update(fixed)
    for item in all_of:
        if len(wanted) >= size:
            break
        wanted.add(item)
    return [item for item in all_of if item in wanted]


def _least(nodes: list[_Node], what: str) -> tuple[int, int]:
    """Return the number of items that fulfils each minimum, and the one that is more than each maximum."""
    minima = [node.schema.get(f"min{what}", 0) for node in nodes]
    return max(minima, default=0), max([node.schema.get(f"max{what}", -1) for node in nodes], default=-1) + 1


def _text(text: str, nodes: list[_Node]) -> str:
    if len(text) <= _SHOWN or any(name in node.schema for node in nodes for name in _WHOLE_TEXT):
        return text
    return text[: max(_SHOWN, *_least(nodes, "Length"))]


def _limits_keys(node: _Node) -> bool:
    more = node.schema.get("additionalProperties")
    return "patternProperties" not in node.schema and (more is False or isinstance(more, dict))


def _pointers_to(key: str, nodes: list[_Node]) -> Iterator[str]:
    """The schemas that may apply to the value of a key; which pattern it matches is left open."""
    for pointer, schema in nodes:
        if key in schema.get("properties", {}):
            yield f"{pointer}/properties/{_escaped(key)}"
            continue
        yield from (f"{pointer}/patternProperties/{_escaped(name)}" for name in schema.get("patternProperties", {}))
        if isinstance(schema.get("additionalProperties"), dict):
            yield f"{pointer}/additionalProperties"


def _applied(pointer: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """The schemas that are applied to the same value as this one."""
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#") and reference[1:2] in ("", "/"):
        yield reference[1:]
    for name in ("allOf", "anyOf", "oneOf"):
        yield from (f"{pointer}/{name}/{index}" for index in range(len(schema.get(name, ()))))
    yield from (f"{pointer}/{name}" for name in ("if", "then", "else") if name in schema)


def _at(schema: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        if isinstance(schema, list):
            schema = schema[int(part)] if part.isdecimal() and int(part) < len(schema) else None
        else:
            schema = schema.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(schema, dict) else None
    return schema


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
