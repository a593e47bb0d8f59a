"""Lines of a batch: inputs as they are, inputs with an id and attachments, and lines of OpenAI's batch files."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from theoryctl.errors import BadInputs
from theoryctl_providers.contract import Operation, ProviderError, loads
from theoryctl_providers.contract.json_text import cut

#: Keys of a line that wraps its inputs, and of one of OpenAI's (platform.openai.com/docs/api-reference/batch).
_WRAPPED = ("id", "inputs", "attach")
_OPENAIS = ("custom_id", "method", "url", "body")

#: Keys that say that a line is meant to have one of these forms, and the form.
_FORMS = {
    "id": _WRAPPED,
    "attach": _WRAPPED,
    "input": _WRAPPED,
    "custom_id": _OPENAIS,
    "method": _OPENAIS,
    "url": _OPENAIS,
}

#: The operation behind each path that a line of OpenAI's may name.
_OPERATIONS: Mapping[str, Operation] = {"/v1/chat/completions": "chat", "/v1/embeddings": "embeddings"}

_NONE = frozenset[str]()

#: Characters of an id, at most.
LONGEST_ID = 512


class NoObject(BadInputs):
    """A line that is no JSON object, whatever it may mean."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number, from 1, the caller's own `id` if it has one, inputs, and paths of attachments by name."""

    number: int
    id: str | None
    inputs: dict[str, Any]
    attach: Mapping[str, str] = field(default_factory=dict)
    operation: Operation = "chat"


def no_inputs(schema: Mapping[str, Any]) -> frozenset[str]:
    """Return the keys of lines that no inputs of this schema can have, so that they are meant for the line."""
    return (
        frozenset(_FORMS) - set(schema.get("properties", ())) if schema.get("additionalProperties") is False else _NONE
    )


def read_line(number: int, data: bytes, declared: Collection[str], no_inputs: frozenset[str] = _NONE) -> Line:
    """Read one line. `declared` are the names of the provider's own inputs, which no wrapping may hide, and `no_inputs`
    those that cannot be inputs.

    Raises ProviderError `ERR_INPUTS`.
    """
    value = _parsed(data)
    if not isinstance(value, dict):
        hint = 'write it as {"messages": [{"role": "user", "content": "Hello"}]}'
        raise NoObject(f"expected a JSON object, got {_kind(value)}", hint=hint)
    if "body" in value and "body" not in declared:
        return _of_openai(number, value)
    if "inputs" in value and "inputs" not in declared:
        return _wrapped(number, value)
    if not no_inputs.isdisjoint(value):
        raise _misplaced(value, next(key for key in value if key in no_inputs))
    return Line(number, None, value)


def _parsed(data: bytes) -> Any:
    try:
        return loads(data.rstrip(b"\r\n"), what="the line")
    except ProviderError as error:
        raise NoObject(error.message, hint=error.hint) from None


def lines_words(count: int) -> str:
    """Return a number of lines in words: `1 line`, `2,000 lines`."""
    return f"{count:,} line{'' if count == 1 else 's'}"


def _wrapped(number: int, value: dict[str, Any]) -> Line:
    _refuse_others(value, _WRAPPED)
    attach = value.get("attach")
    attach = {} if attach is None else attach
    example = 'write it as {"photo": "photo.jpg"}'
    if not isinstance(attach, dict):
        raise _bad(f"attach: expected an object of paths by name, got {_kind(attach)}", example)
    for name, path in attach.items():
        if not isinstance(path, str) or not path:
            got = "an empty text" if path == "" else _kind(path)
            raise _bad(f"attach: expected a path for {cut(name)!r}, got {got}", example)
    return Line(number, _id(value, "id"), _object(value, "inputs"), attach)


def _of_openai(number: int, value: dict[str, Any]) -> Line:
    _refuse_others(value, _OPENAIS)
    method, url = value.get("method", "POST"), value.get("url", "/v1/chat/completions")
    if method != "POST":
        raise _bad(f"method: expected 'POST', got {_shown(method)}", "write POST")
    operation = _OPERATIONS.get(url) if isinstance(url, str) else None
    if operation is None:
        raise _bad(f"url: expected {' or '.join(_OPERATIONS)}, got {_shown(url)}", "change the url")
    inputs = _object(value, "body")
    model = inputs.get("model")
    if isinstance(model, str) and model and "/" not in model:
        inputs["model"] = f"openai/{model}"
    return Line(number, _id(value, "custom_id"), inputs, {}, operation)


def _refuse_others(value: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in value:
        if key not in known:
            near = get_close_matches(key[:100], known, n=1)
            guess = f", did you mean {near[0]!r}?" if near else ""
            raise _bad(f"unknown key {cut(key)!r}{guess}", f"use {', '.join(known)} and no other")


def _misplaced(value: Mapping[str, Any], key: str) -> BadInputs:
    """The error for a line that has a `key` of a form, and lacks the one that its inputs belong under."""
    form = _FORMS[key]
    name = "inputs" if form is _WRAPPED else "body"
    rest = [other for other in value if other not in form]
    keys = f"the keys of such a line are {', '.join(form)}"
    if near := get_close_matches(name, [other[:100] for other in rest], n=1):
        return _bad(f"unknown key {near[0]!r}, did you mean {name!r}? {keys.capitalize()}", f"write {name}")
    got = ", ".join(map(repr, map(cut, rest[:5]))) or "nothing"
    return _bad(f"{key!r}: expected the inputs under {name!r}, got {got} beside it; {keys}", f"write {name}")


def _id(value: Mapping[str, Any], name: str) -> str | None:
    found = value.get(name)
    if found is None or (isinstance(found, str) and len(found) <= LONGEST_ID):
        return found
    expected = f"a text of at most {LONGEST_ID} characters"
    raise _bad(f"{name}: expected {expected}, got {_shown(found)}", f"write {name} as a text")


def _object(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = value[name]
    if not isinstance(found, dict):
        raise _bad(f"{name}: expected an object, got {_kind(found)}", f"write {name} as an object")
    return found


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _shown(value: Any) -> str:
    return f"{value!r:.200}"


def _bad(message: str, hint: str) -> BadInputs:
    return BadInputs(message, hint=hint)
