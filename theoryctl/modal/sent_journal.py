"""Journal of the lines of a batch that Modal was given, so that none is sent twice."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from theoryctl.paths import state_dir

#: Written instead of a call's ID once its result was taken, behind the ID of a call whose answer goes to the Volume,
#: and before the name of the detached batch that such calls belong to.
_TAKEN, _KEPT, _BATCH = "-", "kept", "batch"

#: Stands for the ID of a call that nobody has written down.
_LOST = "fc-lost"


@dataclass(slots=True)
class _Journal:
    """The lines of a journal: calls that were not taken, by digest, and the detached batch with its number of calls."""

    calls: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    batch: str | None = None
    kept: int = 0

    def read(self, line: str) -> None:
        """Read a line. One that kill -9 cut short counts as none."""
        match line.split():
            case [batch, name] if batch == _BATCH:
                self.batch, self.kept = name, 0
            case [digest, call, *more] if call.startswith("fc-"):
                self.calls[digest].append(call)
                self.kept += more == [_KEPT]
            case [digest, taken] if taken == _TAKEN and self.calls[digest]:
                self.calls[digest].pop(0)


class SentCalls:
    """IDs of Modal's function calls whose results were not taken yet, by the digest of their request.

    With a `file` they outlive this process: each line of it is a digest with the ID of a call, or with `-`, or the name
    of the detached batch that the calls after it belong to.
    """

    def __init__(self, file: Path | None = None) -> None:
        """Read the file, where there is one. Raises OSError."""
        self._lock = threading.Lock()
        self._file, self._number = file, -1
        self._journal = _Journal()
        if file is not None:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._journal = _read(file)
            self._number = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.write(self._number, b"\n")  # ends a line that was cut short
        self._open = self._journal.calls

    def __len__(self) -> int:
        with self._lock:
            return sum(map(len, self._open.values()))

    @property
    def batch(self) -> str | None:
        """The name of the detached batch whose answers may be in the app's Volume; None for none."""
        return self._journal.batch

    @property
    def kept(self) -> int:
        """The number of calls of that batch, of those that were taken too."""
        return self._journal.kept

    def begin(self, batch: str) -> str:
        """Begin a detached batch of that name, unless one has begun; return its name."""
        with self._lock:
            if self._journal.batch is None:
                self._journal.batch = batch
                self._write(_BATCH, batch)
            return self._journal.batch

    def add(self, digest: str, call: str, *, kept: bool = False) -> None:
        """Note that a request was sent; `kept`: its answer goes to the Volume."""
        with self._lock:
            self._open[digest].append(call)
            self._journal.kept += kept
            self._write(digest, *(call, _KEPT) if kept else (call,))

    def has(self, digest: str) -> bool:
        """Tell whether a request was sent, and its result was not taken."""
        with self._lock:
            return bool(self._open.get(digest))

    def claim(self, digest: str) -> str | None:
        """Return the ID of a request's call for somebody to wait for; None where it was not sent."""
        with self._lock:
            calls = self._open.get(digest)
            return calls.pop(0) if calls else None

    def unclaim(self, digest: str, call: str) -> None:
        """Put a call back whose result did not come."""
        with self._lock:
            self._open[digest].insert(0, call)

    def take(self, digest: str) -> None:
        """Note that the result of a claimed call was taken."""
        with self._lock:
            self._write(digest, _TAKEN)

    def count_lost(self, digest: str) -> None:
        """Count a call of the detached batch whose result was taken, and whose ID a kill left unwritten."""
        with self._lock:
            self._journal.kept += 1
            self._write(digest, _LOST, _KEPT, "\n", digest, _TAKEN)  # one write, for a kill to leave both or none

    def close(self, *, keeps: bool = False) -> None:
        """Close the file; unless it `keeps` it, it is removed once nothing is left in it to take."""
        if self._file is None or self._number < 0:
            return
        os.close(self._number)
        self._number = -1
        if not keeps and not any(_read(self._file).calls.values()):
            self._file.unlink(missing_ok=True)

    def _write(self, *words: str) -> None:
        if self._number >= 0:
            os.write(self._number, f"{' '.join(words)}\n".encode())


def _read(file: Path) -> _Journal:
    journal = _Journal()
    for line in file.read_bytes().splitlines() if file.exists() else ():
        journal.read(line.decode(errors="replace"))
    return journal


def journal_of(out: str, app: str) -> Path:
    """Return the path of the journal for the rows in `out`, asked of an app."""
    key = hashlib.sha256(f"{os.path.realpath(out)}\0{app}".encode(errors="surrogateescape")).hexdigest()[:32]
    return state_dir() / "batches" / f"{key}.modal"
