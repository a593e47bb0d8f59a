"""Rows of a batch's output: `theoryctl.batch/v1`, or OpenAI's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from theoryctl.requests.billing import UNBILLED
from theoryctl_providers.contract import Envelope, is_mock

SCHEMA = "theoryctl.batch/v1"

#: The member of a row of a failure whose line is asked again.
ASKED_AGAIN = "asked_again"

#: Numbers in rows are smaller; a row with others was not written by a batch.
_LIMIT = 2**63

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class Call(NamedTuple):
    """A call for a line, by its id in rows, and the number that the line had then: together they name one row.

    `cost_usd` is None where it may have cost something that nobody knows.
    """

    run_id: str
    line: int
    cost_usd: float | None


#: Failed calls of earlier runs, whose rows a row replaces. Equal lines may have one call, but a row each.
Before = tuple[Call, ...]


def told_before(before: Before) -> dict[str, Any]:
    """Return the calls as a row has them: no member where there are none."""
    return {"before": [call._asdict() for call in before]} if before else {}


@dataclass(frozen=True, slots=True)
class Row:
    """The part of a row that counts when a batch is resumed.

    `line` is the number that its line had. `code` is that of a failure. `run_id` is that of the call: rows of equal
    lines have the same one. None is unknown. Where the line of a failure is `asked_again`, its row is no answer:
    another comes in its place.
    """

    id: str | None
    line: int
    digest: bytes
    code: str | None
    run_id: str | None
    cost_usd: float | None
    before: Before = ()
    asked_again: bool = False

    @property
    def calls(self) -> Before:
        """All calls that the row tells of, its own first."""
        usd = 0.0 if self.cost_usd is None and self.code in UNBILLED else self.cost_usd
        return (Call(self.run_id or "", self.line, usd), *self.before)


class RowFormat(Protocol):
    """A form of rows."""

    #: The bytes that every row begins with.
    begin: bytes

    def write(self, id: str | None, number: int, digest: bytes, envelope: Envelope, before: Before = ()) -> bytes:
        """Return the row of a line, with its end."""
        ...

    def call_id(self, run_id: str) -> str:
        """Return the id of a call as its row has it, and as `read` returns it."""
        ...

    def read(self, data: bytes) -> Row:
        """Read a row, its end or not. Raises ValueError for what is none of this form."""
        ...

    def number(self, data: bytes) -> int:
        """Return the number of the line that a row belongs to."""
        ...

    def copy(self, data: bytes, id: str | None, number: int, before: Before = ()) -> bytes:
        """Return a row again, for another line with the same request; where the line has calls before, with those."""
        ...

    def ask_again(self, data: bytes) -> bytes:
        """Return the row of a failure again, which says that its line is asked again."""
        ...


#: A row of ours that tells of a success: all that has to be known of most rows, without reading their answers.
_SUCCESS = re.compile(
    rb'\{"schema":"theoryctl\.batch/v1","id":("(?:[^"\\]|\\.)*"|null),"line":(\d{1,18}),'
    rb'"request_digest":"sha256:([0-9a-f]{64})","status":"success",'
    rb'"usage":\{"input_tokens":(?:\d{1,18}|null),"output_tokens":(?:\d{1,18}|null),"cost_usd":(\d[0-9.eE+-]*|null)'
    rb'(?:,[^{}]*)?\},"run_id":"([^"\\]*)","ref":"[^"\\]*","mode":"([a-z]+)",.*\}\s*',
    re.DOTALL,
)

#: The beginning of every row of ours.
_HEAD = re.compile(rb'\{"schema":"theoryctl\.batch/v1","id":(?:"(?:[^"\\]|\\.)*"|null),"line":(\d{1,18}),')


#: Members in front of all others in rows of ours.
_FIRST = ("schema", "id", "line", "request_digest", "status", "usage", "before", ASKED_AGAIN)


def _place(name: str) -> int:
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)


class OurRows:
    """Rows of `theoryctl.batch/v1`: an envelope, with `id`, `line` and `request_digest`."""

    begin = b'{"schema":"theoryctl.batch/v1",'

    def write(self, id: str | None, number: int, digest: bytes, envelope: Envelope, before: Before = ()) -> bytes:
        row = {
            "schema": SCHEMA,
            "id": id,
            "line": number,
            "request_digest": f"sha256:{digest.hex()}",
            "status": envelope["status"],
            "usage": envelope["usage"],
            **told_before(before),
        }
        return row_line({**row, **envelope, "schema": SCHEMA})

    def call_id(self, run_id: str) -> str:
        return run_id

    def read(self, data: bytes) -> Row:
        found = _SUCCESS.fullmatch(data)
        if found is not None:
            own, line, digest, cost, run_id, mode = found.groups()
            id = None if own == b"null" else json.loads(own)
            usd = _priced(None if cost == b"null" else float(cost), mode.decode())
            return Row(id, int(line), bytes.fromhex(digest.decode()), None, run_id.decode(), usd)
        row = decoded(data)
        if not isinstance(row, dict) or row.get("schema") != SCHEMA:
            raise ValueError(f"expected a row of {SCHEMA}")
        try:
            code = row["error"]["code"] if row["error"] else None
            named = row["id"], row["line"], row["request_digest"]
            known = row_of(*named, code, row["usage"], row.get("run_id"), row.get("mode"), row.get("before"))
            return replace(known, asked_again=True) if row.get(ASKED_AGAIN) is True else known
        except (AttributeError, KeyError, TypeError) as problem:
            raise ValueError(f"expected a row of {SCHEMA}: {problem}") from None

    def number(self, data: bytes) -> int:
        found = _HEAD.match(data)
        return int(found[1] if found else decoded(data)["line"])

    def copy(self, data: bytes, id: str | None, number: int, before: Before = ()) -> bytes:
        found = _HEAD.match(data)
        if found is None or before:
            return _in_order({**decoded(data), "id": id, "line": number, **told_before(before)})
        head = row_line({"schema": SCHEMA, "id": id, "line": number}).rstrip(b"}\n")
        return b"%b,%b" % (head, data[found.end() :])

    def ask_again(self, data: bytes) -> bytes:
        return _in_order({**decoded(data), ASKED_AGAIN: True})


def _in_order(row: Mapping[str, Any]) -> bytes:
    return copied_line({name: row[name] for name in sorted(row, key=_place)})


def row_of(
    own: Any,
    line: Any,
    digest: str,
    code: Any,
    usage: Mapping[str, Any],
    run_id: Any,
    mode: Any = None,
    before: Any = None,
) -> Row:
    """Return the row with these values. Raises KeyError, TypeError and ValueError for others."""
    for text in (own, code, run_id, mode):
        if text is not None:
            _check_text(text)
    _check_line(line)
    for value in (line, usage["input_tokens"], usage["output_tokens"]):
        _check(value)
    usd = _priced(usage["cost_usd"], mode)
    return Row(own, line, bytes.fromhex(digest.removeprefix("sha256:")), code, run_id, usd, _before(before))


def _before(said: Any) -> Before:
    """The calls before. Raises KeyError, TypeError and ValueError for what is none."""
    return tuple(map(_call, said or ()))


def _call(said: Mapping[str, Any]) -> Call:
    run_id, line, usd = (said[name] for name in Call._fields)
    _check_text(run_id)
    _check_line(line)
    _check(usd)
    return Call(run_id, line, usd)


def _priced(usd: Any, mode: str | None) -> float | None:
    """The cost in a row; a mock costs nothing, also one that replays what was paid before.

    Raises TypeError and ValueError for what is no cost.
    """
    _check(usd)
    return 0.0 if mode is not None and is_mock(mode) else usd


def _check_text(text: Any) -> None:
    if not isinstance(text, str):
        raise TypeError(f"expected a text, got {text!r:.50}")


def _check_line(number: Any) -> None:
    if type(number) is not int:
        raise TypeError(f"expected the number of a line, got {number!r:.50}")


def _check(number: Any) -> None:
    if number is not None and type(number) not in (int, float):
        raise TypeError(f"expected a number, got {number!r:.50}")
    if number is not None and not 0 <= number < _LIMIT:
        raise ValueError(f"expected a number of at least 0, got {number!r:.50}")


def decoded(data: bytes) -> Any:
    """Return the value of a row's JSON. Raises ValueError for what is none, or is too deep to be read."""
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("expected JSON of less depth") from None


def row_line(row: Mapping[str, Any]) -> bytes:
    """Return a row as JSON on one line. Raises ValueError for what JSON, or UTF-8, cannot hold."""
    return _ENCODER.encode(row).encode() + b"\n"


def copied_line(row: Mapping[str, Any]) -> bytes:
    """Return a row that was read as JSON on one line, with whatever it holds."""
    try:
        return row_line(row)
    except ValueError:
        return json.dumps(row, separators=(",", ":")).encode() + b"\n"
