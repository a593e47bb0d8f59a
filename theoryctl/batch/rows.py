"""Rows of a batch's output: `theoryctl.batch/v1`, or OpenAI's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from theoryctl_providers.contract import Envelope

SCHEMA = "theoryctl.batch/v1"

#: Failures that a vendor bills nothing for.
_CODES = """
ERR_ATTACHMENT ERR_AUTH ERR_CONTEXT_EXCEEDED ERR_INPUTS ERR_MISSING_SECRET ERR_MODEL_NOT_FOUND ERR_NOT_RUNNING
ERR_OVERLOADED ERR_PERMISSION ERR_QUOTA ERR_RATE_LIMITED ERR_TOO_LARGE ERR_UNAVAILABLE ERR_UNREACHABLE
ERR_UNSUPPORTED_PARAM ERR_USAGE
"""
UNBILLED = frozenset(_CODES.split())

_Number = TypeVar("_Number", int, float)

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Row:
    """The part of a row that counts when a batch is resumed. `code` is that of a failure."""

    id: str | None
    digest: bytes
    code: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None

    @property
    def is_unpriced(self) -> bool:
        """Tell whether it may have cost something, and nobody knows how much."""
        return self.cost_usd is None and self.code not in UNBILLED


class RowFormat(Protocol):
    """A form of rows."""

    def write(self, id: str | None, number: int, digest: bytes, envelope: Envelope) -> bytes:
        """Return the row of a line, with its end."""
        ...

    def read(self, data: bytes) -> Row:
        """Read a row, its end or not. Raises ValueError for what is none of this form."""
        ...

    def number(self, data: bytes) -> int:
        """Return the number of the line that a row belongs to."""
        ...

    def copy(self, data: bytes, id: str | None, number: int) -> bytes:
        """Return a row again, for another line with the same request."""
        ...


#: The beginning of a row of ours that tells of a success: all that has to be known of most rows, without their answers.
_HEAD = re.compile(
    rb'\{"schema":"theoryctl\.batch/v1","id":("(?:[^"\\]|\\.)*"|null),"line":\d+,'
    rb'"request_digest":"sha256:([0-9a-f]{64})","status":"success",'
    rb'"usage":\{"input_tokens":(\d+|null),"output_tokens":(\d+|null),"cost_usd":([0-9.eE+-]+|null),.*\}\s*',
    re.DOTALL,
)

_NUMBER = re.compile(rb'\{"schema":"theoryctl\.batch/v1","id":(?:"(?:[^"\\]|\\.)*"|null),"line":(\d+),')


class OurRows:
    """Rows of `theoryctl.batch/v1`: an envelope, with `id`, `line` and `request_digest`."""

    def write(self, id: str | None, number: int, digest: bytes, envelope: Envelope) -> bytes:
        row = {
            "schema": SCHEMA,
            "id": id,
            "line": number,
            "request_digest": f"sha256:{digest.hex()}",
            "status": envelope["status"],
            "usage": envelope["usage"],
        }
        return row_line({**row, **envelope, "schema": SCHEMA})

    def read(self, data: bytes) -> Row:
        found = _HEAD.fullmatch(data)
        if found is not None:
            own, digest, sent, got, cost = found.groups()
            tokens = _number(int, sent), _number(int, got)
            id = None if own == b"null" else json.loads(own)
            return Row(id, bytes.fromhex(digest.decode()), None, *tokens, _number(float, cost))
        row = json.loads(data)
        if not isinstance(row, dict) or row.get("schema") != SCHEMA:
            raise ValueError(f"expected a row of {SCHEMA}")
        try:
            error = row["error"]
            return row_of(row["id"], row["request_digest"], error["code"] if error else None, row["usage"])
        except (AttributeError, KeyError, TypeError) as problem:
            raise ValueError(f"expected a row of {SCHEMA}: {problem}") from None

    def number(self, data: bytes) -> int:
        found = _NUMBER.match(data)
        return int(found[1]) if found else int(json.loads(data)["line"])

    def copy(self, data: bytes, id: str | None, number: int) -> bytes:
        return row_line({**json.loads(data), "id": id, "line": number})


def _number(kind: Callable[[bytes], _Number], text: bytes) -> _Number | None:
    return None if text == b"null" else kind(text)


def row_of(own: Any, digest: str, code: Any, usage: Mapping[str, Any]) -> Row:
    """Return the row with these values. Raises KeyError, TypeError and ValueError for others."""
    if not isinstance(own, str | None) or not isinstance(code, str | None):
        raise TypeError(f"expected texts, got {own!r:.50} and {code!r:.50}")
    numbers = usage["input_tokens"], usage["output_tokens"], usage["cost_usd"]
    if any(each is not None and type(each) not in (int, float) for each in numbers):
        raise TypeError(f"expected numbers, got {numbers!r:.150}")
    return Row(own, bytes.fromhex(digest.removeprefix("sha256:")), code, *numbers)


def row_line(row: Mapping[str, Any]) -> bytes:
    """Return a row as JSON on one line."""
    return _ENCODER.encode(row).encode() + b"\n"
