"""Read JSON into frozen dataclasses by their annotations: strict, with the place of what does not fit."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, partial
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

from theoryctl_providers.contract.constraints import Must
from theoryctl_providers.contract.json_text import cut, dumps, json_path

_Reader = Callable[[Any], Any]


def shaped(kind: Any, value: Any, at: str = "$") -> Any:
    """`value` as `kind`: a dataclass, one of JSON's types, Any, a tuple, list or mapping of them, a Literal, an
    optional one, or Annotated with Must. `at` is the path of the value in its document. Of a TypedDict, keys that it
    does not name are left alone, and those that may be null are null where they are missing: other versions differ.

    Null is the same as an absent key where the dataclass says None, but in a document that people write (one with
    `STRICT`), where it is a slip of the pen. Raises ValueError, `PATH: expected X, got Y`, for the first part that does
    not fit: wrong types, unknown and missing keys, values out of range. Of a value of the wrong type it names only the
    type, because it may be a secret.
    """
    try:
        return _reader(kind)(value)
    except _Misfit as misfit:
        place = at + json_path(reversed(misfit.path)).removeprefix("$")
        raise ValueError(f"{place}: expected {misfit.expected}, got {misfit.got}") from None


class _Misfit(Exception):
    """A part that does not fit; its `path` grows from the inside out."""

    def __init__(self, expected: str, got: str, *path: str | int) -> None:
        self.expected, self.got, self.path = expected, got, list(path)


@cache
def _reader(kind: Any) -> _Reader:
    """The function that reads values of a kind: made once, because a streamed answer is made of thousands."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return partial(_object, kind)
    if is_typeddict(kind):
        return partial(_typed, kind)
    if origin is Annotated:
        return partial(_within, _reader(arguments[0]), arguments[1])
    if origin in (Union, UnionType):
        (inner,) = (each for each in arguments if each is not NoneType)
        return partial(_optional, _reader(inner))
    if origin is tuple:
        return partial(_array, _reader(arguments[0]))
    if origin is list:
        return partial(_list, _reader(arguments[0]))
    if origin in (dict, Mapping):
        return partial(_mapping, *map(_reader, arguments))
    if origin is Literal:
        return partial(_literal, arguments)
    return _anything if kind is Any else partial(_scalar, kind)


def _anything(value: Any) -> Any:
    return value


_TYPES: dict[Any, str] = {str: "a text", float: "a number", int: "an integer", bool: "true or false"}


def _scalar(kind: Any, value: Any) -> Any:
    fits = type(value) is kind or (kind is float and type(value) is int)
    if not fits or (kind is float and not _is_finite(value)):
        raise _Misfit(_TYPES[kind], _type_of(value))
    return value


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False


def _literal(options: tuple[Any, ...], value: Any) -> Any:
    if not isinstance(value, str) or value not in options:
        raise _Misfit(" or ".join(map(repr, options)), _shown(value) if isinstance(value, str) else _type_of(value))
    return value


def _optional(inner: _Reader, value: Any) -> Any:
    return None if value is None else inner(value)


def _present(inner: _Reader, value: Any) -> Any:
    if value is None:
        raise _Misfit("a value, or no such key", "null")
    return inner(value)


def _array(inner: _Reader, value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        raise _Misfit("an array", _type_of(value))
    found: list[Any] = []
    try:
        for item in value:
            found.append(inner(item))
    except _Misfit as misfit:
        misfit.path.append(len(found))
        raise
    return tuple(found)


def _list(inner: _Reader, value: Any) -> Any:
    return list(_array(inner, value))


def _mapping(of_key: _Reader, inner: _Reader, value: Any) -> Any:
    _must_be_object(value)
    if inner is _anything:  # as large as any JSON
        return value
    name, found = "", {}
    try:
        for name, item in value.items():
            found[of_key(name)] = inner(item)
    except _Misfit as misfit:
        misfit.path.append(str(name))
        raise
    return found


def _object(kind: Any, value: Any) -> Any:
    _must_be_object(value)
    (known, required), readers, name, found = _names_of(kind), _readers_of(kind), "", {}
    for each in required:
        if each not in value:
            raise _Misfit("a value", "no such key", each)
    try:
        for name, item in value.items():
            if name not in known:
                raise _Misfit(f"one of {', '.join(known)}", "another key")
            if name not in readers:
                readers[name] = _field_reader(kind, name)
            found[name] = readers[name](item)
    except _Misfit as misfit:
        misfit.path.append(str(name))
        raise
    return kind(**found)


def _typed(kind: Any, value: Any) -> Any:
    _must_be_object(value)
    found, name = dict(value), ""
    try:
        for name, (reader, may_be_absent) in _typed_readers(kind).items():
            if name in value or not may_be_absent:
                found[name] = reader(value.get(name))
    except _Misfit as misfit:
        misfit.path.append(name)
        raise
    return found


@cache
def _typed_readers(kind: Any) -> dict[str, tuple[_Reader, bool]]:
    """The reader of each key, and whether it may be absent."""
    hints = get_type_hints(kind, include_extras=True)
    readers = {}
    for name, hint in hints.items():
        may_be_absent = get_origin(hint) is NotRequired
        readers[name] = (_reader(get_args(hint)[0] if may_be_absent else hint), may_be_absent)
    return readers


@cache
def _names_of(kind: Any) -> tuple[list[str], list[str]]:
    """The names of all fields, and of those that are required."""
    every = fields(kind)
    required = [item.name for item in every if item.default is MISSING and item.default_factory is MISSING]
    return [item.name for item in every], required


@cache
def _readers_of(_kind: Any) -> dict[str, _Reader]:
    """The readers of fields that a document had. The annotation of a field is read when a document has it, and not
    those of all fields: some name classes that only type checkers import."""
    return {}


def _field_reader(kind: Any, name: str) -> _Reader:
    item = kind.__dataclass_fields__[name]
    annotation = eval(item.type, vars(sys.modules[kind.__module__])) if isinstance(item.type, str) else item.type
    written = hasattr(kind, "__pydantic_config__")
    return partial(_present, _reader(annotation)) if written and item.default is None else _reader(annotation)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """The pattern of a JSON Schema. Python's `$` takes a line end behind it for the end (re), JSON Schema's does not
    (ECMA-262)."""
    return re.compile(rf"{pattern[:-1]}\Z" if pattern.endswith("$") else pattern)


#: What each constraint of a Must wants of a value, and says of one that does not fit.
_CHECKS: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "ge": (lambda value, limit: value >= limit, "at least {}"),
    "gt": (lambda value, limit: value > limit, "more than {}"),
    "le": (lambda value, limit: value <= limit, "at most {}"),
    "min_length": (lambda value, limit: len(value) >= limit, "a length of at least {}"),
    "max_length": (lambda value, limit: len(value) <= limit, "a length of at most {}"),
    "pattern": (lambda value, limit: _compiled(limit).search(value), "text matching {}"),
}


def _within(inner: _Reader, must: Must, value: Any) -> Any:
    value = inner(value)
    for name, limit in must.constraints.items():
        holds, expected = _CHECKS[name]
        if not holds(value, limit):
            raise _Misfit(expected.format(limit), str(len(value)) if name.endswith("_length") else _shown(value))
    return value


def _must_be_object(value: Any) -> None:
    if type(value) is not dict and not isinstance(value, Mapping):
        raise _Misfit("an object", _type_of(value))


def _type_of(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (Mapping, list, tuple)):
        return "an object" if isinstance(value, Mapping) else "an array"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not _is_finite(value):
        return "an integer out of range"
    return {str: "a text", int: "an integer", float: "a number"}.get(type(value), type(value).__name__)


def _shown(value: Any) -> str:
    return cut(dumps(value))
