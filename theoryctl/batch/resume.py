"""Rows that an earlier run of a batch has written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from theoryctl.batch.rows import NONE_BEFORE, Before, Row, RowFormat


@dataclass(slots=True)
class Earlier:
    """Rows by what they answer, and what their calls have cost in US dollars.

    `unpriced` calls may have cost something that nobody knows. Rows of one request are kept as the hashes of their ids,
    of one row without a list. Where it `retries`, a failure is no answer: its line is to be asked again.
    """

    retries: bool = False
    rows: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    cost_usd: float = 0.0
    unpriced: int = 0
    _runs: set[int] = field(default_factory=set)
    _unpriced: Counter[bytes] = field(default_factory=Counter)
    _ids: dict[bytes, int | list[int]] = field(default_factory=dict)
    _again: dict[bytes, Before] = field(default_factory=dict)
    _failures: set[int] = field(default_factory=set)
    _replaced: set[int] = field(default_factory=set)

    def add(self, row: Row) -> None:
        """Count a row. Calls that several rows tell of, those of equal lines, have been paid once."""
        self.rows += 1
        self._replaced.update(map(hash, row.before.run_ids))
        paid = self._count(row)
        if row.code is not None:
            self.failed[row.code] += 1
            self._failures.add(hash(row.run_id))
            if self.retries:
                failed = Before(run_ids=(row.run_id or "",)).plus(paid._replace(run_ids=()))
                self._again[row.digest[:16]] = self._again.get(row.digest[:16], NONE_BEFORE).plus(failed)
                return
        self._keep_id(row)

    @property
    def failures(self) -> int:
        """Rows of failures that count as answers."""
        return 0 if self.retries else self.failed.total()

    @property
    def is_stale(self) -> bool:
        """Tell whether there are rows of failures in whose place others have come."""
        return not self._failures.isdisjoint(self._replaced)

    def is_replaced(self, row: Row) -> bool:
        """Tell whether another row has come in the place of one."""
        return row.code is not None and hash(row.run_id) in self._replaced

    def take_failed(self, digest: bytes) -> Before:
        """Return what the failures of a request have cost, whose rows its new row replaces; they are taken then."""
        taken = self._again.pop(digest[:16], NONE_BEFORE)
        self._replaced.update(map(hash, taken.run_ids))
        return taken

    def _count(self, row: Row) -> Before:
        """Count what the calls for a row have cost, and return it: nothing where another row has told of them."""
        paid = row.paid
        if not (paid.cost_usd or paid.unpriced) or not self._is_new(row.run_id):
            return NONE_BEFORE
        self.cost_usd += paid.cost_usd
        self.unpriced += paid.unpriced
        if paid.unpriced:
            self._unpriced[row.digest[:16]] += paid.unpriced
        return paid

    def _keep_id(self, row: Row) -> None:
        key, own = row.digest[:16], hash(row.id)
        before = self._ids.get(key)
        if before is None:
            self._ids[key] = own
        elif isinstance(before, list):
            before.append(own)
        else:
            self._ids[key] = [before, own]

    def take(self, digest: bytes, own: str | None) -> bool:
        """Return whether a line has a row, which then is no other line's."""
        found = self._ids.get(digest[:16])
        if found is None:
            return False
        ids = found if isinstance(found, list) else [found]
        if hash(own) not in ids:
            return False
        ids.remove(hash(own))
        self._ids[digest[:16]] = ids
        return True

    def _is_new(self, run_id: str | None) -> bool:
        if not run_id:
            return True
        known = len(self._runs)
        self._runs.add(hash(run_id))
        return len(self._runs) > known

    def take_unpriced(self, digest: bytes) -> bool:
        """Return whether a call of a request has a cost that nobody knows; it is taken, and no other line's then."""
        if not self._unpriced[digest[:16]]:
            return False
        self._unpriced[digest[:16]] -= 1
        return True

    def knows(self, digest: bytes) -> bool:
        """Return whether a request was answered, in whatever line."""
        return digest[:16] in self._ids


def whole_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield each line of a file with the place where it begins."""
    place = file.seek(0)
    for line in file:
        yield place, line
        place += len(line)


def mend(file: BinaryIO, form: RowFormat) -> int:
    """Complete or drop a last line without an end, which a run that was killed has left; the bytes that were dropped.

    `file` is open to read and write. Raises OSError.
    """
    size = file.seek(0, 2)
    begin = _last_line(file, size)
    if begin == size:
        return 0
    file.seek(begin)
    if _is_row(file.read(), form.read):
        file.seek(0, 2)
        file.write(b"\n")
        file.flush()
        return 0
    file.truncate(begin)
    return size - begin


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


def _is_row(data: bytes, read: Callable[[bytes], Row]) -> bool:
    try:
        read(data)
    except ValueError:
        return False
    return True
