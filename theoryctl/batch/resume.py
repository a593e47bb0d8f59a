"""Rows that an earlier run of a batch has written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from theoryctl.batch.rows import Before, Row, RowFormat

#: Rows by the first half of the digest of their request: the hash of their id, of several rows the list of those.
_Ids = dict[bytes, int | list[int]]


@dataclass(slots=True)
class Earlier:
    """Rows by what they answer, and what their calls have cost in US dollars: each call once, in however many rows.

    `unpriced` calls may have cost something that nobody knows. Where it `retries`, a failure is no answer, nor is one
    whose row says that its line is asked again. `failures` counts the lines that have taken one as their answer.
    """

    retries: bool = False
    rows: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    failures: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    _calls: set[int] = field(default_factory=set)
    _unpriced: Counter[bytes] = field(default_factory=Counter)
    _ids: _Ids = field(default_factory=dict)
    _failed_ids: _Ids = field(default_factory=dict)
    _again: _FailedCalls = field(default_factory=lambda: _FailedCalls())
    _failures: set[int] = field(default_factory=set)
    _replaced: set[int] = field(default_factory=set)

    def add(self, row: Row) -> None:
        """Count a row."""
        self.rows += 1
        self.replace(row.before)
        self._count(row)
        if row.code is None:
            _keep(self._ids, row)
            return
        self.failed[row.code] += 1
        self._failures.add(_name(row))
        if self.retries or row.asked_again:
            self._again.add(row)
        else:
            _keep(self._failed_ids, row)

    @property
    def is_stale(self) -> bool:
        """Tell whether there are rows of failures in whose place others have come."""
        return not self._failures.isdisjoint(self._replaced)

    def is_failure(self, row: Row) -> bool:
        """Tell whether a row is of a failure of an earlier run."""
        return row.code is not None and _name(row) in self._failures

    def is_replaced(self, row: Row) -> bool:
        """Tell whether another row has come in the place of one."""
        return row.code is not None and _name(row) in self._replaced

    def is_answer(self, row: Row) -> bool:
        """Tell whether a row answers its request, so that equal lines get it too; a success comes first."""
        return row.code is None or not (self.retries or row.asked_again or row.digest[:16] in self._ids)

    @property
    def has_success(self) -> bool:
        """Tell whether there is a row of a success."""
        return self.rows > self.failed.total()

    @property
    def answers(self) -> int:
        """The number of rows that are the answer of their line."""
        return self.rows - self._again.count

    def replace(self, before: Before) -> None:
        """Note that a row has come in the place of those of failures."""
        self._replaced.update(hash(call[:2]) for call in before)

    def take_failed(self, digest: bytes, own: str | None) -> Before:
        """Return the failed calls for a line that is asked again, and take them."""
        return self._again.take(digest, own)

    def has_failed(self, digest: bytes, own: str | None, call: str) -> bool:
        """Tell whether a row of a line that is asked again is of this very call, by its id in rows."""
        return any(calls[0].run_id == call for calls in self._again.rows.get(digest[:16], {}).get(hash(own), ()))

    def take_other_failed(self) -> Before:
        """Return the failed calls that are left, and take them: those for lines that are gone."""
        return self._again.take_all()

    def _count(self, row: Row) -> None:
        for call in row.calls:
            if call.cost_usd != 0.0 and self._is_new(call.run_id):
                self.cost_usd += call.cost_usd or 0.0
                if call.cost_usd is None:
                    self.unpriced += 1
                    self._unpriced[row.digest[:16]] += 1

    def take(self, digest: bytes, own: str | None) -> bool:
        """Return whether a line has a row, which then is no other line's."""
        if _take(self._ids, digest, own):
            return True
        is_failed = _take(self._failed_ids, digest, own)
        self.failures += is_failed
        return is_failed

    def _is_new(self, call: str) -> bool:
        known = len(self._calls)
        self._calls.add(hash(call))
        return not call or len(self._calls) > known

    def take_unpriced(self, digest: bytes) -> int:
        """Return the number of calls of a request with a cost that nobody knows; they are taken then."""
        return self._unpriced.pop(digest[:16], 0)

    def knows(self, digest: bytes) -> bool:
        """Return whether a request was answered, in whatever line."""
        return digest[:16] in self._ids or digest[:16] in self._failed_ids


@dataclass(slots=True)
class _FailedCalls:
    """Failed calls that are to be made again, by their request and the hash of the id of their row, each with the calls
    before it. `count` is the number of those rows."""

    rows: dict[bytes, dict[int, list[Before]]] = field(default_factory=dict)
    count: int = 0

    def add(self, row: Row) -> None:
        self.count += 1
        self.rows.setdefault(row.digest[:16], {}).setdefault(hash(row.id), []).append(row.calls)

    def take(self, digest: bytes, own: str | None) -> Before:
        calls = self.rows.get(digest[:16], {}).get(hash(own))
        return calls.pop(0) if calls else ()

    def take_all(self) -> Before:
        rows, self.rows = self.rows, {}
        return tuple(call for ids in rows.values() for each in ids.values() for calls in each for call in calls)


def _name(row: Row) -> int:
    return hash((row.run_id or "", row.line))


def _keep(rows: _Ids, row: Row) -> None:
    key, own = row.digest[:16], hash(row.id)
    before = rows.get(key)
    if before is None:
        rows[key] = own
    elif isinstance(before, list):
        before.append(own)
    else:
        rows[key] = [before, own]


def _take(rows: _Ids, digest: bytes, own: str | None) -> bool:
    """Return whether one of the rows is a line's, and take it."""
    found = rows.get(digest[:16])
    if found is None:
        return False
    ids = found if isinstance(found, list) else [found]
    if hash(own) not in ids:
        return False
    ids.remove(hash(own))
    rows[digest[:16]] = ids
    return True


def whole_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield each line of a file that has an end, with the place where it begins."""
    place = file.seek(0)
    for line in file:
        if line.endswith(b"\n"):
            yield place, line
        place += len(line)


def mend(file: BinaryIO, form: RowFormat) -> Row | None:
    """Complete a last row without an end, or drop one that is torn, which a run that was killed has left.

    Return the row that was completed. `file` is open to read and write. Raises OSError, and ValueError for what is
    somebody else's: not even the beginning of a row, something whole that is none, or a file of zeros alone.
    """
    size = file.seek(0, 2)
    begin = _last_line(file, size)
    if begin == size:
        return None
    file.seek(begin)
    written = file.read().rstrip(b"\0")  # a power cut leaves zeros in place of what was not written
    try:
        row = form.read(written)
    except ValueError:
        if not _is_torn(written, form.begin) or not (begin or written):
            raise
        file.truncate(begin)
        return None
    file.truncate(begin + len(written))
    file.seek(0, 2)
    file.write(b"\n")
    file.flush()
    return row


def _is_torn(written: bytes, begin: bytes) -> bool:
    """Tell whether bytes are the beginning of a row, and no more: where a whole value stands, nothing was torn."""
    if not (written.startswith(begin) or begin.startswith(written)):
        return False
    try:
        json.JSONDecoder().raw_decode(written.decode(errors="replace"))
    except RecursionError:  # no batch writes what is so deep
        return False
    except ValueError:
        return True
    return False


def _last_line(file: BinaryIO, size: int, chunk: int = 1 << 16) -> int:
    """The place behind the last line end."""
    end = size
    while end > 0:
        begin = max(0, end - chunk)
        file.seek(begin)
        found = file.read(end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0
