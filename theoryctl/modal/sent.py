"""Journal of the lines of a batch that Modal was given, so that none is sent twice."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import defaultdict
from pathlib import Path

from theoryctl.paths import state_dir

#: Written instead of a call's ID once its result was taken.
_TAKEN = "-"


class SentCalls:
    """IDs of Modal's function calls whose results were not taken yet, by the digest of their request.

    With a `file` they outlive this process: each line of it is a digest with the ID of a call, or with `-`. A line that
    kill -9 cut short counts as none.
    """

    def __init__(self, file: Path | None = None) -> None:
        """Read the file, where there is one. Raises OSError."""
        self._lock = threading.Lock()
        self._file, self._number = file, -1
        self._open: dict[str, list[str]] = defaultdict(list)
        if file is not None:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._open = _read(file)
            self._number = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.write(self._number, b"\n")  # ends a line that was cut short

    def __len__(self) -> int:
        with self._lock:
            return sum(map(len, self._open.values()))

    def add(self, digest: str, call: str) -> None:
        """Note that a request was sent."""
        with self._lock:
            self._open[digest].append(call)
            self._write(digest, call)

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

    def close(self) -> None:
        """Close the file; it is removed once nothing is left in it to take."""
        if self._file is None or self._number < 0:
            return
        os.close(self._number)
        self._number = -1
        if not any(_read(self._file).values()):
            self._file.unlink(missing_ok=True)

    def _write(self, digest: str, what: str) -> None:
        if self._number >= 0:
            os.write(self._number, f"{digest} {what}\n".encode())


def _read(file: Path) -> dict[str, list[str]]:
    """The calls in a file that were not taken."""
    calls: dict[str, list[str]] = defaultdict(list)
    for line in file.read_bytes().splitlines(keepends=True) if file.exists() else ():
        digest, _, call = line.decode(errors="replace").strip().partition(" ")
        if call.startswith("fc-"):
            calls[digest].append(call)
        elif call == _TAKEN and calls[digest]:
            calls[digest].pop(0)
    return calls


def journal_of(out: str, app: str) -> Path:
    """Return the path of the journal for the rows in `out`, asked of an app."""
    key = hashlib.sha256(f"{os.path.realpath(out)}\0{app}".encode(errors="surrogateescape")).hexdigest()[:32]
    return state_dir() / "batches" / f"{key}.modal"
