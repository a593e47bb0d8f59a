"""YAML with positions: `yaml.safe_load`'s meaning, without its traps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import yaml

#: A manifest is a page of text; anything far larger is a mistake or an attack.
MAX_BYTES = 1 << 20
#: How many nodes a document may have with its aliases written out, and how deep they may nest.
MAX_NODES = 20_000
MAX_DEPTH = 64

Path = tuple[str | int, ...]

_JSON_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "map", "seq")}


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something wrong at a place in a file; line and column count from 1. Printed as `line:column: path: what`."""

    line: int
    column: int
    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.path + ': ' if self.path else ''}{self.what}"


class YAMLProblems(ValueError):
    """Everything that keeps a text from being read."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed text: the value, and where in the text each of its parts stands."""

    value: Any
    places: dict[Path, tuple[int, int]]

    def problem(self, path: Path, what: str) -> Problem:
        """A problem with the part at `path`, placed at the nearest part that is there."""
        near = path
        while near not in self.places and near:
            near = near[:-1]
        return Problem(*self.places.get(near, (1, 1)), dotted(path), what)


def dotted(path: Path) -> str:
    """`models.known[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def parse(data: bytes) -> Document:
    """Read one YAML document. Raises YAMLProblems for syntax errors, repeated keys, keys that are not text, values JSON
    does not know, aliases that multiply beyond `MAX_NODES`, and texts over `MAX_BYTES`."""
    if len(data) > MAX_BYTES:
        raise YAMLProblems([Problem(1, 1, "", f"{len(data)} bytes is too large; expected at most {MAX_BYTES}")])
    try:
        return _parse(data.decode("utf-8-sig"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = error.problem or error.context or "not YAML"
        raise YAMLProblems([_at(mark, "", f"not YAML: {what}")]) from None
    except yaml.YAMLError as error:
        raise YAMLProblems([Problem(1, 1, "", f"not YAML: {str(error).splitlines()[0]}")]) from None
    except UnicodeDecodeError as error:
        raise YAMLProblems([Problem(1, 1, "", f"not UTF-8: {error.reason} at byte {error.start}")]) from None
    except RecursionError:
        raise YAMLProblems([Problem(1, 1, "", f"nested deeper than {MAX_DEPTH} levels")]) from None
    except ValueError as error:  # an integer of thousands of digits
        if isinstance(error, YAMLProblems):
            raise
        raise YAMLProblems([Problem(1, 1, "", f"a value cannot be read: {error}")]) from None


def _parse(text: str) -> Document:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise YAMLProblems([Problem(1, 1, "", "the file is empty; expected a manifest")])
        walk = _Walk()
        walk.visit(node, (), 0)
        if walk.problems:
            raise YAMLProblems(sorted(walk.problems))
        return Document(loader.construct_document(node), walk.places)
    finally:
        loader.dispose()


class _Walk:
    """Visits every node once for each place it stands at, noting positions and traps."""

    def __init__(self) -> None:
        self.places: dict[Path, tuple[int, int]] = {}
        self.problems: list[Problem] = []
        self._count = 0

    def visit(self, node: yaml.Node, path: Path, depth: int) -> None:
        self._count += 1
        if self._count > MAX_NODES or depth > MAX_DEPTH:
            what = "aliases multiply it beyond" if depth <= MAX_DEPTH else "it nests deeper than"
            limit = MAX_NODES if depth <= MAX_DEPTH else MAX_DEPTH
            raise YAMLProblems([_at(node.start_mark, dotted(path), f"{what} the limit of {limit}")])
        self.places.setdefault(path, _position(node.start_mark))
        if node.tag not in _JSON_TAGS:
            self._not_json(node, path)
        elif isinstance(node, yaml.MappingNode):
            self._mapping(node, path, depth)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.visit(item, (*path, index), depth + 1)

        elif node.tag.endswith(":float") and not _is_finite(node.value):
            self.problems.append(_at(node.start_mark, dotted(path), f"found {node.value}; expected a finite number"))

    def _not_json(self, node: yaml.Node, path: Path) -> None:
        found = f"found {node.value!r}, which" if isinstance(node, yaml.ScalarNode) else "a value"
        what = f"{found} YAML reads as {node.tag.rpartition(':')[2]}; expected text in quotes, or plain JSON values"
        self.problems.append(_at(node.start_mark, dotted(path), what))

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> None:
        seen: set[str] = set()
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                self.visit(value, path, depth + 1)
                continue
            if key.tag != "tag:yaml.org,2002:str":
                found = getattr(key, "value", "a structure")
                self.problems.append(
                    _at(key.start_mark, dotted(path), f"key {found!r} is not text; write it in quotes")
                )
                continue
            if key.value in seen:
                self.problems.append(_at(key.start_mark, dotted((*path, key.value)), "the key stands twice; keep one"))
            seen.add(key.value)
            self.places[(*path, key.value)] = _position(key.start_mark)
            self.visit(value, (*path, key.value), depth + 1)


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text.replace("_", "")))
    except ValueError:  # `.inf` and `.nan`, or YAML 1.1's base 60, which is finite
        return ":" in text


def _position(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1


def _at(mark: Any, path: str, what: str) -> Problem:
    return Problem(*(_position(mark) if mark else (1, 1)), path, what)
