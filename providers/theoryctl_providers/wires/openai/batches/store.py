"""The files and batches that a mock remembers."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from theoryctl_providers.contract import ProviderError
from theoryctl_providers.wires.exchange import NO_TIME

#: The bytes of files that an instance remembers, and the most files and batches; the oldest is forgotten first.
MOST, MOST_ENTRIES = 64 * 2**20, 1_000


class NoSuch(ProviderError):
    """A file or a batch that the instance never knew, was told to forget, or forgot by itself."""

    status = 404

    def __init__(self, what: str, given: str, remembered: str) -> None:
        hint = f"make it again: the instance remembers the newest {remembered}"
        super().__init__("ERR_INPUTS", f"there is no {what} {given!r:.100}", hint=hint)


@dataclass(frozen=True, slots=True)
class File:
    """A file of a client, or the output of a batch."""

    id: str
    filename: str
    purpose: str
    data: bytes

    @property
    def document(self) -> dict[str, Any]:
        """The file as OpenAI describes it (openai 3.57, types/file_object.py)."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.data),
            "created_at": NO_TIME,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
        }


class Store:
    """The newest files of an instance, up to `most` bytes of them, and its newest 1,000 batches."""

    def __init__(self, most: int = MOST) -> None:
        self.files: dict[str, File] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self._most, self._size = most, 0

    def add(self, filename: str, purpose: str, data: bytes) -> File:
        """Remember a file, under an id made of all of it. Raises ProviderError `ERR_TOO_LARGE`."""
        if len(data) > self._most:
            raise ProviderError("ERR_TOO_LARGE", f"the file is larger than {self._most} bytes", hint="send less")
        made = sha256(b"\0".join((filename.encode(), purpose.encode(), data))).hexdigest()[:24]
        file = File(f"file-{made}", filename, purpose, data)
        self._drop(file.id)
        self.files[file.id] = file
        self._size += len(data)
        while self._size > self._most or len(self.files) > MOST_ENTRIES:
            self._drop(next(iter(self.files)))
        return file

    def file(self, file_id: str) -> File:
        """A file. Raises NoSuch."""
        if file_id not in self.files:
            raise NoSuch("file", file_id, "64 MiB")
        return self.files[file_id]

    def delete(self, file_id: str) -> None:
        """Forget a file. Raises NoSuch."""
        self.file(file_id)
        self._drop(file_id)

    def put(self, batch: dict[str, Any]) -> None:
        """Remember a batch."""
        self.batches.pop(batch["id"], None)
        self.batches[batch["id"]] = batch
        if len(self.batches) > MOST_ENTRIES:
            del self.batches[next(iter(self.batches))]

    def batch(self, batch_id: str) -> dict[str, Any]:
        """A batch. Raises NoSuch."""
        if batch_id not in self.batches:
            raise NoSuch("batch", batch_id, f"{MOST_ENTRIES:,}")
        return self.batches[batch_id]

    def _drop(self, file_id: str) -> None:
        gone = self.files.pop(file_id, None)
        self._size -= 0 if gone is None else len(gone.data)
