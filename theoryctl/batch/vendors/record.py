"""Record of the batches that vendors were given for one file of rows, so that nothing is submitted twice."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from theoryctl.errors import OutputFailed
from theoryctl.hints import again
from theoryctl.instances.records import state_id
from theoryctl.paths import state_dir, write_private
from theoryctl_providers.contract import shaped
from theoryctl_providers.contract.files import read_regular

_SUFFIX = ".vendor"

#: Bytes of a record, at most: a million lines have 70 MB of digests.
_LONGEST = 1 << 28


class Options(TypedDict):
    """The options of the command that made a batch, as a record keeps them; paths are absolute, `options` typed."""

    ref: str
    source: str
    out: str
    form: str
    model: str | None
    env_file: str | None
    manifests: str | None
    dedupe: bool
    skip_invalid: bool
    max_attachment: int
    options: list[str]


@dataclass(slots=True)
class Submission:
    """One batch. `id` is the vendor's; None from before it is submitted until the vendor has said it.

    `mark` is unique, `at` in seconds since 1970, `usd` the most that the batch can cost. `address` is where it was
    submitted, for people, and `account` a keyed digest of the address and the key. `unpriced_usd` is the most that
    those of its answers have cost that were taken, where nobody knows it.
    """

    mark: str
    vendor: str
    model: str
    operation: str
    at: float
    custom_ids: list[str]
    usd: float | None = None
    id: str | None = None
    address: str | None = None
    account: str | None = None
    unpriced_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class _Kept:
    """The document of a record."""

    options: Options
    submissions: list[Submission]


@dataclass(slots=True)
class Record:
    """The submissions whose answers were not all taken yet, and the options of their command, by name."""

    file: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    submissions: list[Submission] = field(default_factory=list)

    @property
    def custom_ids(self) -> set[str]:
        """The requests that are at a vendor, or may be."""
        return {each for submission in self.submissions for each in submission.custom_ids}

    @property
    def usd(self) -> float:
        """The most that they can cost in US dollars."""
        return sum(each.usd or 0.0 for each in self.submissions)

    def begin(
        self,
        vendor: str,
        model: str,
        operation: str,
        ids: Collection[str],
        usd: float | None,
        account: tuple[str, str] | None = None,
    ) -> Submission:
        """Note a batch that is about to be submitted to an account. Raises OutputFailed."""
        begun = Submission(secrets.token_hex(16), vendor, model, operation, time.time(), list(ids), usd)
        begun.address, begun.account = account or (None, None)
        self.submissions.append(begun)
        self.save()
        return begun

    def end(self, submission: Submission) -> None:
        """Forget a batch whose answers were taken, or that was not submitted. Raises OutputFailed."""
        self.submissions.remove(submission)
        self.save()

    def leave(self, submission: Submission, custom_ids: Sequence[str]) -> None:
        """Forget all answers of a batch but these, which take their share of its cost. Raises OutputFailed."""
        if submission.usd is not None:
            submission.usd *= len(custom_ids) / len(submission.custom_ids)
        submission.custom_ids = list(custom_ids)
        self.save()

    def save(self) -> None:
        """Write the record, whole or not at all; an empty one is removed. Raises OutputFailed."""
        document = {"options": self.options, "submissions": [asdict(each) for each in self.submissions]}
        try:
            if self.submissions:
                write_private(self.file, json.dumps(document).encode())
            else:
                self.file.unlink(missing_ok=True)
        except OSError as error:
            message = f"the record of batches {self.file} cannot be written: {error.strerror}"
            raise OutputFailed(message, hint=again("free some space, and run it again")) from error


def record_of(out: str) -> Record:
    """Return the record of the rows in `out`; an empty one where there is none. Raises OutputFailed."""
    file = file_of(out)
    return read_record(file) if file.exists() else Record(file)


def file_of(out: str) -> Path:
    """Return the path of the record of the rows in `out`, which need not exist."""
    key = hashlib.sha256(os.path.realpath(out).encode(errors="surrogateescape")).hexdigest()[:32]
    return _folder() / f"{key}{_SUFFIX}"


def records(files: Iterable[Path] | None = None) -> Iterator[Record | OutputFailed]:
    """Yield the records in `files`, else every record of this machine; for one that cannot be read, the error."""
    for file in sorted(_folder().glob(f"*{_SUFFIX}")) if files is None else files:
        try:
            yield read_record(file)
        except OutputFailed as error:
            if file.exists():  # else another command has just taken the last answers
                yield error


def read_record(file: Path) -> Record:
    """Read a record. Raises OutputFailed for what is none, or cannot be read."""
    try:
        kept: _Kept = shaped(_Kept, json.loads(read_regular(file, _LONGEST)))
    except (OSError, ValueError, RecursionError) as error:
        message = f"the record of batches {file} cannot be read: {error}"
        raise OutputFailed(message, hint="look its batches up at the vendor, then move it away") from None
    return Record(file, kept.options, kept.submissions)


def known_ids() -> set[str]:
    """Return the vendors' ids of all batches of this machine.

    Raises OutputFailed for a record that cannot be read: its batches could be taken for those of other rows.
    """
    ids = set[str]()
    for record in records():
        if isinstance(record, OutputFailed):
            raise record
        ids.update(each.id for each in record.submissions if each.id is not None)
    return ids


def record_key() -> bytes:
    """Return the key of the digests of accounts, which is this state folder's. Raises OutputFailed."""
    try:
        return (state_id(make=True) or "").encode()
    except OSError as error:
        message = f"the id of the state folder {state_dir()} cannot be written: {error.strerror}"
        raise OutputFailed(message, hint=again("free some space, and run it again")) from error


def _folder() -> Path:
    return state_dir() / "batches"
