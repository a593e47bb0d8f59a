"""JSON made into frozen dataclasses by their annotations: strict, with the place of what does not fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from theoryctl_providers.contract.constraints import Must


def shaped(kind: Any, value: Any, at: str = "$") -> Any:
    """`value` as `kind`: a dataclass, one of JSON's types, a tuple, a Literal, an optional one, or Annotated with Must.

    Raises ValueError that says where `value` is none: wrong types, unknown and missing keys, numbers out of range.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _object(kind, value, at)
    if origin is Annotated:
        return _within(shaped(arguments[0], value, at), arguments[1], at)
    if origin in (Union, UnionType):
        (inner,) = (each for each in arguments if each is not NoneType)
        return shaped(inner, value, at)
    if origin is tuple:
        _expect(isinstance(value, (list, tuple)), at, "an array")
        return tuple(shaped(arguments[0], item, f"{at}[{index}]") for index, item in enumerate(value))
    _expect(_is(kind, value), at, " or ".join(map(repr, arguments)) if origin is Literal else _NAMES.get(kind, "JSON"))
    return value


_NAMES: dict[Any, str] = {str: "a text", float: "a number", int: "an integer", bool: "true or false"}


def _is(kind: Any, value: Any) -> bool:
    if get_origin(kind) is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return kind is Any or (isinstance(value, kind) and isinstance(value, bool) == (kind is bool))


def _object(kind: Any, value: Any, at: str) -> Any:
    _expect(isinstance(value, Mapping), at, "an object")
    hints = _hints(kind)
    for key in value:
        _expect(key in hints, f"{at}.{key}", f"one of {', '.join(hints)}")
    for item in fields(kind):
        required = item.default is MISSING and item.default_factory is MISSING
        _expect(not required or item.name in value, at, f"{item.name!r} in it")
        # None in the dataclass says that the key is absent, and null is no other way to say it.
        _expect(item.default is not None or value.get(item.name, 0) is not None, f"{at}.{item.name}", "a value")
    return kind(**{key: shaped(hints[key], item, f"{at}.{key}") for key, item in value.items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {item.name: hints[item.name] for item in fields(kind)}


def _within(value: Any, must: Must, at: str) -> Any:
    limits = must.constraints
    _expect("ge" not in limits or value >= limits["ge"], at, f"at least {limits.get('ge')}")
    _expect("le" not in limits or value <= limits["le"], at, f"at most {limits.get('le')}")
    _expect(len(value) >= limits["min_length"] if "min_length" in limits else True, at, "something in it")
    return value


def _expect(holds: bool, at: str, what: str) -> None:
    if not holds:
        raise ValueError(f"{at}: expected {what}")
