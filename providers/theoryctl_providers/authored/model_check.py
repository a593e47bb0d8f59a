"""A document that people write, held against the dataclass that it is to become: problems with line and column."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Generic, TypeVar

import pydantic

from theoryctl_providers.authored.yaml_document import Document, Path, Problem

Model = TypeVar("Model")

_NULL = {"type": "null"}
_NOT_NULL = {"type": ["string", "number", "boolean", "object", "array"]}


class ModelCheck(Generic[Model]):
    """Checks documents by pydantic. `title` is the schema's; `words` says in words what a text that has to match one of
    these patterns is; `plain` is the key that a value of a type most likely stands for, where a dataclass of a title is
    expected."""

    def __init__(
        self,
        model: type[Model],
        title: str,
        words: Mapping[str, str] | None = None,
        plain: Mapping[tuple[str, type], str] | None = None,
    ) -> None:
        self._adapter = pydantic.TypeAdapter(model)
        self._title, self._words, self._plain = title, words or {}, plain or {}

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema (draft 2020-12), for editors. Made once; not to be changed."""
        schema = deepcopy(self._raw)
        for part in (schema, *schema["$defs"].values()):
            _unwrap(part)
            for spec in part["properties"].values():
                _unwrap(spec)
                # Patterns of keys come out as patternProperties, which alone lets every other key pass.
                if "patternProperties" in spec:
                    spec["additionalProperties"] = False
                if _may_be_absent(spec):
                    _refuse_null(spec)
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": self._title}

    @cached_property
    def _raw(self) -> dict[str, Any]:
        """Pydantic's schema with each definition under its title: a class's name is ours, a title published."""
        schema = self._adapter.json_schema()
        text = json.dumps({**schema, "$defs": {part["title"]: part for part in schema["$defs"].values()}})
        for name, part in schema["$defs"].items():
            text = text.replace(f'"#/$defs/{name}"', f'"#/$defs/{part["title"]}"')
        return dict(json.loads(text))

    def read(self, document: Document) -> tuple[Model | None, list[Problem]]:
        """Return the document where its structure is right, else its problems."""
        empty = "expected a value, or no such key, got null"
        problems = [document.problem(path, empty) for path in self._empty(document.value)]
        try:
            model = self._adapter.validate_json(json.dumps(document.value))
        except pydantic.ValidationError as error:
            return None, problems + [self._problem(document, found) for found in error.errors() if not _follows(found)]
        return (None, problems) if problems else (model, [])

    def _empty(self, value: Any, path: Path = ()) -> Iterator[Path]:
        """Find keys that may be absent and have no value, which pydantic takes for the same. It is a slip of the pen: a
        rule with `contains:` and nothing behind it would fit everything."""
        for key, item in _items(value):
            if item is not None:
                yield from self._empty(item, (*path, key))
            elif _may_be_absent(self._properties_at(path).get(str(key), {})):
                yield (*path, key)

    def _problem(self, document: Document, found: Any) -> Problem:
        path: Path = tuple(part for part in found["loc"] if part != "[key]")
        context = found.get("ctx", {})
        match found["type"]:
            case "missing":
                return document.problem(path, f"expected {self._expected(path)}, got none")
            case "unexpected_keyword_argument" | "extra_forbidden":
                return document.problem(path, f"expected {self._keys_near(path)}, got an unknown key")
            case "too_short":
                return document.problem(path, "expected at least one item, got none")
            case "string_too_short":
                return document.problem(path, "expected a text that is not empty, got an empty one")
            case "string_pattern_mismatch":
                expected = self._words.get(context["pattern"], f"text matching {context['pattern']}")
                return document.problem(path, f"expected {expected}, got {cut(repr(found['input']))}")
            case "dataclass_type" if key := self._plain.get((self._title_at(path), type(found["input"]))):
                value = shown(found["input"])
                return document.problem(path, f"expected {{{key}: {value}}}, got {value}")
            case "string_type" if path in document.surprises:
                return document.problem(path, f"expected a text in quotes, got {document.surprises[path]}")
            case _:
                seen = document.surprises.get(path, shown(found["input"]))
                return document.problem(path, f"expected {_in_words(found['msg'])}, got {seen}")

    def _expected(self, path: Path) -> str:
        """The description a missing key has in the schema, its first sentence, as the end of one."""
        properties = self._properties_at(path[:-1])
        said = (
            str(properties.get(str(path[-1]), {}).get("description", "a value"))
            .partition(". ")[0]
            .partition("; ")[0]
            .rstrip(".")
        )
        return said if said[1:2].isupper() else said[0].lower() + said[1:]

    def _keys_near(self, path: Path) -> str:
        known = sorted(self._properties_at(path[:-1]))
        near = get_close_matches(str(path[-1]), known, n=1)
        return repr(near[0]) if near else f"one of {', '.join(known)}"

    def _properties_at(self, path: Path) -> dict[str, Any]:
        """The properties that the schema knows at `path`."""
        return dict(self._node_at(path).get("properties", {}))

    def _title_at(self, path: Path) -> str:
        return str(self._node_at(path).get("title"))

    def _node_at(self, path: Path) -> Any:
        node: Any = self._raw
        for part in path:
            node = self._resolve(node)
            node = node.get("items", {}) if isinstance(part, int) else node.get("properties", {}).get(part, {})
        return self._resolve(node)

    def _resolve(self, node: Any) -> Any:
        for option in node.get("anyOf", []):
            if "$ref" in option:
                node = option
        name = node.get("$ref", "").rpartition("/")[2]
        return self._raw["$defs"][name] if name else node


#: Parts of pydantic's messages, and what the house says instead.
_SAID = {
    "Input should be ": "",
    "a valid ": "a ",
    "a integer": "an integer",
    "a array": "an array",
    "a dictionary": "an object",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
    "greater than": "more than",
}


def _in_words(message: str) -> str:
    """Say a message of pydantic's as the end of "expected …"."""
    for theirs, ours in _SAID.items():
        message = message.replace(theirs, ours)
    return message


def _unwrap(spec: dict[str, Any]) -> None:
    """Put a description on one line: it is a docstring, whose lines end where those of the source do."""
    if "description" in spec:
        spec["description"] = " ".join(spec["description"].split())


def _items(value: Any) -> Iterable[tuple[str | int, Any]]:
    return enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()


def _may_be_absent(spec: dict[str, Any]) -> bool:
    """Return whether the dataclass has None for a property that is not there."""
    return "default" in spec and spec["default"] is None


def _refuse_null(spec: dict[str, Any]) -> None:
    """Take null out of what a property that may be absent may be."""
    del spec["default"]
    options = [option for option in spec.pop("anyOf", [_NOT_NULL]) if option != _NULL]
    spec |= options[0] if len(options) == 1 else {"anyOf": options}


def _follows(found: Any) -> bool:
    """Tell whether it only follows from another problem: a list whose items are wrong has none that are right."""
    return found["type"] == "too_short" and bool(found["input"])


def shown(value: Any) -> str:
    """A value as JSON, on one line that is not too long."""
    return cut(json.dumps(value, ensure_ascii=False))


def cut(text: str, length: int = 60) -> str:
    """A text of at most that many characters."""
    return text if len(text) <= length else f"{text[: length - 3]}…"


def in_file(file: str, problems: list[Problem]) -> str:
    """The problems as lines of `file:line:column: path.to.key: expected …, got …`."""
    return "\n".join(f"{file}:{problem}" for problem in sorted(set(problems)))


def readable(document: Document, problems: list[Problem]) -> list[Problem]:
    """Add the document's own problems. Those of a value that could not be read go: they are about its stand-in."""
    return [*document.problems, *(problem for problem in problems if problem.path not in document.unread)]
