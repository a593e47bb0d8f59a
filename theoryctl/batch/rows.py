"""Rows of a batch's output: `theoryctl.batch/v1`, or OpenAI's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from theoryctl_providers.contract import Envelope, is_mock

SCHEMA = "theoryctl.batch/v1"

#: Failures that a vendor bills nothing for.
_CODES = """
ERR_ATTACHMENT ERR_AUTH ERR_CONTEXT_EXCEEDED ERR_INPUTS ERR_MISSING_SECRET ERR_MODEL_NOT_FOUND ERR_NOT_RUNNING
ERR_OVERLOADED ERR_PERMISSION ERR_QUOTA ERR_RATE_LIMITED ERR_TOKEN ERR_TOO_LARGE ERR_UNAVAILABLE ERR_UNREACHABLE
ERR_UNSUPPORTED_PARAM ERR_USAGE
"""
UNBILLED = frozenset(_CODES.split())

#: The member of a row of a failure whose line is asked again.
ASKED_AGAIN = "asked_again"

#: Numbers in rows are smaller; a row with others was not written by a batch.
_LIMIT = 2**63

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def is_unbilled(envelope: Envelope) -> bool:
    """Tell whether a call costs nothing where its usage does not say: of a mock, also one that replays what was paid
    before, or with a failure that no vendor bills."""
    error = envelope["error"]
    return is_mock(envelope["mode"] or "real") or (error is not None and error["code"] in UNBILLED)


def paid(envelope: Envelope) -> float | None:
    """Return the US dollars that a call has cost; None where nobody knows."""
    if is_mock(envelope["mode"] or "real"):  # a mock, or a recording of what was paid before
        return 0.0
    cost = envelope["usage"]["cost_usd"]
    return 0.0 if cost is None and is_unbilled(envelope) else cost


class Before(NamedTuple):
    """Calls of earlier runs for a line, whose rows of failures its row has replaced.

    `cost_usd` is the cost of those whose cost is known, and `unpriced` counts those that may have cost something that
    nobody knows. `run_ids` are those of the rows.
    """

    cost_usd: float = 0.0
    unpriced: int = 0
    run_ids: tuple[str, ...] = ()

    def plus(self, other: Before) -> Before:
        """Return these calls and others."""
        run_ids = tuple(dict.fromkeys(self.run_ids + other.run_ids))
        return Before(self.cost_usd + other.cost_usd, self.unpriced + other.unpriced, run_ids)

    def document(self) -> dict[str, Any]:
        """Return them as a row has them: no member where there are none."""
        return {"before": self._asdict()} if any(self) else {}


NONE_BEFORE = Before()


@dataclass(frozen=True, slots=True)
class Row:
    """The part of a row that counts when a batch is resumed.

    `code` is that of a failure. `run_id` is that of the call: rows of equal lines have the same one. None is unknown.
    Where the line of a failure is `asked_again`, its row is no answer: another comes in its place.
    """

    id: str | None
    digest: bytes
    code: str | None
    run_id: str | None
    cost_usd: float | None
    before: Before = NONE_BEFORE
    asked_again: bool = False

    @property
    def own(self) -> Before:
        """The cost of the call itself."""
        return Before(self.cost_usd or 0.0, int(self.is_unpriced))

    @property
    def is_unpriced(self) -> bool:
        """Tell whether it may have cost something, and nobody knows how much."""
        return self.cost_usd is None and self.code not in UNBILLED


class RowFormat(Protocol):
    """A form of rows."""

    #: The bytes that every row begins with.
    begin: bytes

    def write(
        self, id: str | None, number: int, digest: bytes, envelope: Envelope, before: Before = NONE_BEFORE
    ) -> bytes:
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

    def copy(self, data: bytes, id: str | None, number: int, before: Before = NONE_BEFORE) -> bytes:
        """Return a row again, for another line with the same request; where the line has calls before, with those."""
        ...

    def ask_again(self, data: bytes) -> bytes:
        """Return the row of a failure again, which says that its line is asked again."""
        ...


#: A row of ours that tells of a success: all that has to be known of most rows, without reading their answers.
_SUCCESS = re.compile(
    rb'\{"schema":"theoryctl\.batch/v1","id":("(?:[^"\\]|\\.)*"|null),"line":\d{1,18},'
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

    def write(
        self, id: str | None, number: int, digest: bytes, envelope: Envelope, before: Before = NONE_BEFORE
    ) -> bytes:
        row = {
            "schema": SCHEMA,
            "id": id,
            "line": number,
            "request_digest": f"sha256:{digest.hex()}",
            "status": envelope["status"],
            "usage": envelope["usage"],
            **before.document(),
        }
        return row_line({**row, **envelope, "schema": SCHEMA})

    def call_id(self, run_id: str) -> str:
        return run_id

    def read(self, data: bytes) -> Row:
        found = _SUCCESS.fullmatch(data)
        if found is not None:
            own, digest, cost, run_id, mode = found.groups()
            id = None if own == b"null" else json.loads(own)
            usd = _priced(None if cost == b"null" else float(cost), mode.decode())
            return Row(id, bytes.fromhex(digest.decode()), None, run_id.decode(), usd)
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

    def copy(self, data: bytes, id: str | None, number: int, before: Before = NONE_BEFORE) -> bytes:
        found = _HEAD.match(data)
        if found is None or any(before):
            return _in_order({**decoded(data), "id": id, "line": number, **before.document()})
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
    texts = own, code, run_id, mode
    if not all(isinstance(each, str | None) for each in texts):
        raise TypeError(f"expected texts, got {texts!r:.150}")
    if type(line) is not int:
        raise TypeError(f"expected the number of a line, got {line!r:.50}")
    for value in (line, usage["input_tokens"], usage["output_tokens"]):
        _check(value)
    usd = _priced(usage["cost_usd"], mode)
    return Row(own, bytes.fromhex(digest.removeprefix("sha256:")), code, run_id, usd, _before(before))


def _before(said: Any) -> Before:
    """The calls before. Raises KeyError, TypeError and ValueError for what is none."""
    if said is None:
        return NONE_BEFORE
    usd, unpriced, run_ids = (said[name] for name in Before._fields)
    _check(usd)
    _check(unpriced)
    return Before(float(usd), int(unpriced), tuple(map(str, run_ids)))


def _priced(usd: Any, mode: str | None) -> float | None:
    """The cost in a row; a mock costs nothing, also one that replays what was paid before.

    Raises TypeError and ValueError for what is no cost.
    """
    _check(usd)
    return 0.0 if mode is not None and is_mock(mode) else usd


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
