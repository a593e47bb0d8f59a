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

#: The operation behind each path that a line of OpenAI's may name.
_OPERATIONS: Mapping[str, Operation] = {"/v1/chat/completions": "chat", "/v1/embeddings": "embeddings"}

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


def read_line(number: int, data: bytes, declared: Collection[str]) -> Line:
    """Read one line. `declared` are the names of the provider's own inputs, which no wrapping may hide.

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
    if not isinstance(attach, dict) or not all(isinstance(path, str) and path for path in attach.values()):
        raise _bad("attach: expected an object of paths by name", 'write it as {"photo": "photo.jpg"}')
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
