"""Choose the errors to tell of all that a validator reports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple


class Fault(NamedTuple):
    """An error to tell. `union`: the anyOf or oneOf of whose branches it is one, where both are about one value."""

    error: Any
    union: Any = None


def told(errors: Iterable[Any]) -> list[Any]:
    """The errors without those that another says better: a wrong type where the few values that fit are listed."""
    found = list(errors)
    listed = {_place(error) for error in found if error.kind.name in ("enum", "const")}
    return [error for error in found if error.kind.name != "type" or _place(error) not in listed]


def nearest(error: Any) -> Fault:
    """Find the problem that the writer most likely has where an anyOf or oneOf failed: the one met deepest."""
    passed = []
    while found := branches(error):
        passed.append(error)
        error = max(found, key=_reached)[0]
    at_the_door = (union for union in passed if union.instance_path == error.instance_path)
    return Fault(error, next(at_the_door, None))


def branches(error: Any) -> list[list[Any]]:
    """The errors of each branch of an anyOf or oneOf; none for another error."""
    return [told(branch) for branch in getattr(error.kind, "context", ()) if branch]


def options(error: Any) -> list[Any] | None:
    """The values that an enum or a const lists; None for another error."""
    match error.kind.name:
        case "enum":
            return list(error.kind.options)
        case "const":
            return [error.kind.expected_value]
    return None


def _place(error: Any) -> tuple[Any, ...]:
    """The value that an error is about, and the part of the schema that has the rule."""
    return (*error.instance_path, None, *error.evaluation_path[:-1])


def _reached(branch: list[Any]) -> tuple[int, bool]:
    """Count the levels that a branch got through before it failed; a wrong type at its door counts least."""
    return max((len(error.instance_path), not _is_of_another_type(error)) for error in branch)


def _is_of_another_type(error: Any) -> bool:
    listed = options(error)
    if listed is None:
        return bool(error.kind.name == "type")
    return _type(error.instance) not in map(_type, listed)


def _type(value: Any) -> type:
    return float if type(value) is int else type(value)
