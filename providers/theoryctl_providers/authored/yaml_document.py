"""YAML with positions: `yaml.safe_load`'s meaning, without its traps."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.constructor import SafeConstructor

#: How many values and keys a document may have with its aliases written out, and how deep they may nest.
MAX_NODES = 20_000
MAX_DEPTH = 64
#: Characters of a number, and bits of an integer: what a double holds, which is what JSON's readers agree on.
MAX_NUMBER_LENGTH = 400
MAX_INTEGER_BITS = 1024

Path = tuple[str | int, ...]

_PREFIX = "tag:yaml.org,2002:"
_STR, _MAP, _SEQ, _MERGE = (_PREFIX + kind for kind in ("str", "map", "seq", "merge"))
_SCALAR_TAGS = {_PREFIX + kind for kind in ("str", "int", "float", "bool", "null")}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


#: What YAML 1.1 takes for booleans, for numbers of base 8, 2, 16 or 60, and numbers that lose what they look like.
_SURPRISES = re.compile(
    r"(?i:yes|no|on|off)|[-+]?0[0-7_]+|[-+]?0b[01_]+|[-+]?0x[0-9a-fA-F_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"
    r"|[-+]?[0-9][0-9_]*_[0-9_.]*|[-+]?[0-9]+\.[0-9]+0|\+[0-9].*"
)
#: What JSON takes for numbers, and YAML 1.1 for text: it wants a point, and a sign of the exponent.
_EXPONENTS = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?[eE][-+]?[0-9]+")


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something wrong at a place in a file; line and column count from 1. Printed as `line:column: path: what`."""

    line: int
    column: int
    path: str
    what: str

    def __str__(self) -> str:
        text = f"{self.line}:{self.column}: {self.path + ': ' if self.path else ''}{self.what}"
        # Keys and values are quoted in here, and a terminal must not obey what they hold.
        return _CONTROL.sub(lambda found: repr(found.group())[1:-1], text)


class YAMLProblems(ValueError):
    """The problems that keep a text from having a value at all."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed text: the value, where in the text each of its parts stands, and what is wrong with it as it is written.

    Where JSON knows no such value, there is the text of it instead; `unread` holds the paths of those.
    `surprises` are plain words that YAML 1.1 reads as something else than they look like, and what they are read as:
    whoever knows that a place is to hold free JSON, or text, refuses them there.
    """

    value: Any
    places: dict[Path, tuple[int, int]]
    problems: tuple[Problem, ...] = ()
    unread: frozenset[str] = frozenset()
    surprises: Mapping[Path, str] = field(default_factory=dict)

    def ambiguous(self, path: Path) -> Problem:
        """A problem with the surprise at `path`, where any JSON may stand."""
        return self.problem(path, f"expected it in quotes, or as YAML reads it, got {self.surprises[path]}")

    def problem(self, path: Path, what: str) -> Problem:
        """A problem with the part at `path`, placed at the nearest part that is there."""
        near = path
        while near not in self.places and near:
            near = near[:-1]
        return Problem(*self.places.get(near, (1, 1)), dotted(path), what)


def dotted(path: Path) -> str:
    """`models.known[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def parse(data: bytes, limit: int | None = None) -> Document:
    """Read one YAML document. Repeated keys, keys that are not text and values JSON does not know are its `problems`.

    `limit` is how many bytes it may have, and how many characters with its aliases written out; none unless told.
    Raises YAMLProblems where there is no value: for syntax errors, texts that are not UTF-8, and those that go beyond
    `limit`, `MAX_NODES` or `MAX_DEPTH`.
    """
    if limit is not None and len(data) > limit:
        raise _refused((1, 1), f"expected at most {limit} bytes, got more")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", errors="replace")
        raise _refused(_end_of(before), f"expected text in UTF-8, got the byte 0x{data[error.start]:02x}") from None
    node = _node(text)
    if node is None:
        raise _refused((1, 1), "expected a YAML document, got an empty file")
    walk = _Walk(limit)
    value = walk.value(node)
    return Document(value, walk.places, tuple(sorted(set(walk.problems))), frozenset(walk.unread), walk.surprises)


class _Loader(yaml.SafeLoader):
    """Counts while it composes, so that of a text that is too large or too deep no more is read than shows it.

    Not libyaml: it is faster, but words, and what tabs and `!` mean, would depend on how PyYAML was installed.
    """

    _count = _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._count += 1
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        _within_limits(self._count, self._depth, event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def fetch_more_tokens(self) -> Any:
        try:
            return super().fetch_more_tokens()
        except (ValueError, OverflowError) as error:  # an escape or a version number that Python cannot hold
            raise yaml.scanner.ScannerError(None, None, str(error), self.get_mark()) from None


def _node(text: str) -> Any:
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        what = ": ".join(filter(None, (error.context, error.problem)))
        raise _refused(_position(error.problem_mark or error.context_mark), f"not YAML: {what}") from None
    except yaml.reader.ReaderError as error:
        raise _refused(_end_of(text[: error.position]), f"not YAML: {str(error).splitlines()[0]}") from None


def _within_limits(count: int, depth: int, mark: Any, path: Path = ()) -> None:
    if depth > MAX_DEPTH:
        raise _refused(_position(mark), f"expected at most {MAX_DEPTH} levels, got more", path)
    if count > MAX_NODES:
        what = f"expected at most {MAX_NODES} values and keys, with aliases written out, got more"
        raise _refused(_position(mark), what, path)


class _Walk:
    """Visits every node once for each place it stands at, noting positions and traps.

    A trap is noted and then disarmed, that is, made text: what is left can always be constructed, and checked further.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self.places: dict[Path, tuple[int, int]] = {}
        self.problems: list[Problem] = []
        self.unread: set[str] = set()
        self.surprises: dict[Path, str] = {}
        self._construct = SafeConstructor()
        self._count = self._characters = 0

    def value(self, node: Any) -> Any:
        """The document below the root node."""
        self.places[()] = _position(node.start_mark)
        self._visit(node, (), 0)
        return self._construct.construct_document(node)

    def _visit(self, node: Any, path: Path, depth: int) -> None:
        self._enter(node, path, depth)
        if isinstance(node, yaml.ScalarNode):
            self._scalar(node, path)
            return
        expected = _MAP if isinstance(node, yaml.MappingNode) else _SEQ
        if node.tag != expected:
            self._trap(node, path, f"expected plain JSON values, got one that YAML reads as {_kind(node)}")
            node.tag = expected
        if isinstance(node, yaml.MappingNode):
            self._mapping(node, path, depth + 1)
            return
        for index, item in enumerate(node.value):
            self.places[(*path, index)] = _position(item.start_mark)
            self._visit(item, (*path, index), depth + 1)

    def _enter(self, node: Any, path: Path, depth: int) -> None:
        self._count += 1
        _within_limits(self._count, depth, node.start_mark, path)
        self._characters += len(node.value) if isinstance(node, yaml.ScalarNode) else 0
        if self._limit is not None and self._characters > self._limit:
            what = f"expected at most {self._limit} characters, with aliases written out, got more"
            raise _refused(_position(node.start_mark), what, path)

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> None:
        if wrong := _surrogate(node.value) or self._no_json(node):
            self._trap(node, path, wrong)
            node.tag, node.value = _STR, _whole(node.value)
        elif node.style is None and (read := self._surprise(node)):
            self.surprises[path] = f"{_short(node.value)}, which YAML reads as {read}"

    def _surprise(self, node: yaml.ScalarNode) -> str | None:
        """Say what a plain word is read as that looks like something else."""
        if node.tag != _STR:
            read = self._construct.yaml_constructors[node.tag](self._construct, node)
            return json.dumps(read) if _SURPRISES.fullmatch(node.value) else None
        if _EXPONENTS.fullmatch(node.value) and math.isfinite(number := float(node.value)):
            return f"text, not as {yaml.safe_dump(number).split()[0]}"
        return None

    def _no_json(self, node: yaml.ScalarNode) -> str | None:
        """Say why JSON has no such value."""
        kind, shown = _kind(node), _short(node.value)
        if node.tag not in _SCALAR_TAGS:
            return f"expected text in quotes, or plain JSON values, got {shown}, which YAML reads as {kind}"
        if kind in ("int", "float") and len(node.value) > MAX_NUMBER_LENGTH:
            return f"expected a number of at most {MAX_NUMBER_LENGTH} characters, got {shown}"
        try:
            value = self._construct.yaml_constructors[node.tag](self._construct, node)
        except (ValueError, ArithmeticError, LookupError):
            return f"expected text in quotes, or plain JSON values, got {shown}, which cannot be read as {kind}"
        if kind == "float" and not math.isfinite(value):
            return f"expected a finite number, got {shown}"
        if kind == "int" and value.bit_length() > MAX_INTEGER_BITS:
            return f"expected a number of at most {MAX_INTEGER_BITS} bits, got {shown}"
        return None

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> None:
        merges = [pair for pair in node.value if pair[0].tag == _MERGE]
        pairs = [pair for pair in merges if self._merge(pair[1], path, depth)]
        seen: set[str] = set()
        for found, value in (pair for pair in node.value if pair[0].tag != _MERGE):
            self._enter(found, path, depth)
            key = self._key(found, path)
            if key is None:
                self._visit(value, path, depth)
                continue
            below = (*path, key.value)
            if key.value in seen:
                self._note(key.start_mark, below, "expected the key once, got it twice")
            seen.add(key.value)
            pairs.append((key, value))
            self.places[below] = _position(key.start_mark)
            self._visit(value, below, depth)
        node.value = pairs

    def _key(self, key: Any, path: Path) -> Any:
        """The key as text: a node of its own, for an alias may share this one with a value. None for a structure."""
        if not isinstance(key, yaml.ScalarNode):
            self._note(key.start_mark, path, "expected a text as the key, got a structure")
            return None
        if key.tag != _STR:
            self._note(key.start_mark, path, f"expected a text as the key, got {_short(key.value)}; write it in quotes")
        elif wrong := _surrogate(key.value):
            self._note(key.start_mark, path, wrong)
        return yaml.ScalarNode(_STR, _whole(key.value), key.start_mark, key.end_mark)

    def _merge(self, value: Any, path: Path, depth: int) -> bool:
        """Visit what `<<` merges in; False when that is nothing that can be."""
        sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
        right = all(isinstance(source, yaml.MappingNode) for source in sources)
        if not right:
            self._note(value.start_mark, path, "expected mappings to merge, got something else after '<<'")
        for source in reversed(sources) if right else ():
            self._visit(source, path, depth)
        return right

    def _trap(self, node: Any, path: Path, what: str) -> None:
        self._note(node.start_mark, path, what)
        self.unread.add(dotted(path))

    def _note(self, mark: Any, path: Path, what: str) -> None:
        self.problems.append(Problem(*_position(mark), dotted(path), what))


def _kind(node: Any) -> str:
    return str(node.tag).removeprefix(_PREFIX)


def _surrogate(text: str) -> str | None:
    if _whole(text) == text:
        return None
    return f"expected \\U and its eight digits, got {_short(text)}, which holds half a character"


def _whole(text: str) -> str:
    return text.encode(errors="replace").decode()


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}…")


def _position(mark: Any) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _end_of(text: str) -> tuple[int, int]:
    """The place right after a text."""
    return text.count("\n") + 1, len(text.rpartition("\n")[2]) + 1


def _refused(place: tuple[int, int], what: str, path: Path = ()) -> YAMLProblems:
    return YAMLProblems([Problem(*place, dotted(path), what)])
