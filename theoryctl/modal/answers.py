"""Answers of detached batches, which an app's containers write into its Volume: a folder for each batch."""

from __future__ import annotations

import json
import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from theoryctl.modal.names import volume_name
from theoryctl.modal.sdk import found
from theoryctl_providers.contract.json_text import json_problem

#: The file in a batch's folder that says how many calls were sent, once all were.
_SENT = "sent.json"
_HEX = re.compile("[0-9a-f]{64}")
_KEYED = re.compile("hmac-sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """The answer of one call, as the shim gives it, with what is needed to write its rows.

    `digest` is that of the request in hexadecimal, `rows` are the number and the id of each line that it answers.
    `inputs_digest` is the ledger's, made with the key whose name is `key`; None where the ledger of whoever sent it
    keeps no such run.
    """

    run_id: str
    digest: str
    rows: tuple[tuple[int, str | None], ...]
    ref: str
    mode: str
    model: str | None
    operation: str
    answer: dict[str, Any]
    inputs_digest: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class KeptBatch:
    """A detached batch, by the files of its answers; `calls` were sent, None where the sending has not ended."""

    name: str
    files: tuple[str, ...]
    calls: int | None


def new_name() -> str:
    """Return a name for a detached batch, which begins with the day."""
    import secrets
    import time

    return f"{time.strftime('%Y-%m-%d', time.gmtime())}-{secrets.token_hex(4)}"


class KeptAnswers:
    """The answers in the Volume of an app."""

    def __init__(self, modal: Any, app: str, environment: str) -> None:
        """Look the Volume up; without one there are no answers."""
        self._modal = modal
        #: The requests of the batch that was read last which have several answers that differ.
        self.differing = 0
        self._volume = found(modal, modal.Volume.from_name(volume_name(app), environment_name=environment).hydrate)

    def batches(self) -> list[KeptBatch]:
        """Find all detached batches, the oldest first."""
        files: dict[str, list[str]] = defaultdict(list)
        for path in self._listed():
            files[path.split("/")[1]].append(path)
        return [self._batch(name, paths) for name, paths in sorted(files.items())]

    def read(self, batch: KeptBatch) -> Iterator[KeptAnswer]:
        """Yield the answers of a batch, one for the same request and rows: a call may have been sent twice, by a
        command that was killed before it wrote the call's ID down. What is cut short or of another shape is left out.

        The first answer counts; `differing` says of how many requests there was another one.
        """
        seen: dict[int, int] = {}
        differing = set()
        for path in batch.files:
            for line in _lines(self._volume.read_file(path)):
                if (kept := _read(line)) is None:
                    continue
                key, said = hash((kept.digest, kept.rows)), hash(json.dumps(kept.answer, sort_keys=True))
                if key not in seen:
                    seen[key] = said
                    yield kept
                elif seen[key] != said:
                    differing.add(key)
        self.differing = len(differing)

    def note_sent(self, name: str, calls: int) -> None:
        """Write down that a batch was sent, and in how many calls."""
        with self._volume.batch_upload(force=True) as upload:
            upload.put_file(BytesIO(json.dumps({"calls": calls}).encode()), f"{_folder(name)}/{_SENT}")

    def remove(self, name: str) -> None:
        """Remove the answers of a batch. What is not there is no error."""
        if self._volume is not None:
            found(self._modal, self._volume.remove_file, _folder(name), recursive=True)

    def _listed(self) -> Iterator[str]:
        from theoryctl.modal.theoryctl_shim import ANSWERS

        entries = found(self._modal, self._volume.listdir, ANSWERS, recursive=True) if self._volume else None
        for entry in entries or ():
            path = str(entry.path).strip("/")
            if path.count("/") == 2:  # folder, batch, file
                yield path

    def _batch(self, name: str, paths: list[str]) -> KeptBatch:
        sent = f"{_folder(name)}/{_SENT}"
        files = tuple(path for path in paths if path != sent)
        return KeptBatch(name, files, self._calls(sent) if sent in paths else None)

    def _calls(self, path: str) -> int | None:
        try:
            said = json.loads(b"".join(self._volume.read_file(path)))
        except ValueError:
            return None
        calls = said.get("calls") if isinstance(said, dict) else None
        return calls if isinstance(calls, int) else None


class AnswerIndex:
    """Answers of a batch by the digests of their requests, in a temporary file, so that memory holds places alone."""

    def __init__(self, answers: Iterable[KeptAnswer]) -> None:
        """Copy the answers from the Volume."""
        import tempfile

        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # for as long as the batch runs
        self._places: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._lock = threading.Lock()
        for kept in answers:
            data = json.dumps(kept.answer).encode()
            self._places[kept.digest].append((self._file.tell(), len(data)))
            self._file.write(data)

    def pop(self, digest: str) -> dict[str, Any] | None:
        """Return an answer to a request, which is nobody else's then; None where there is none."""
        with self._lock:
            places = self._places.get(digest)
            if not places:
                return None
            place, length = places.pop(0)
            self._file.seek(place)
            answer: dict[str, Any] = json.loads(self._file.read(length))
            return answer

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()


def _folder(name: str) -> str:
    from theoryctl.modal.theoryctl_shim import ANSWERS

    return f"{ANSWERS}/{name}"


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a file; what follows the last line end is no line."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


def _read(line: bytes) -> KeptAnswer | None:
    try:
        said = json.loads(line)
        rows = tuple((number, id) for number, id in said["rows"])
        names = ("ref", "mode", "model", "operation", "answer")
        keyed = {name: said.get(name) for name in ("inputs_digest", "key")}
        kept = KeptAnswer(said["run_id"], said["digest"], rows, **{name: said[name] for name in names}, **keyed)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return kept if _fits(kept) else None


def _fits(kept: KeptAnswer) -> bool:
    texts = all(isinstance(text, str) for text in (kept.run_id, kept.digest, kept.ref, kept.mode, kept.operation))
    named = isinstance(kept.model, str | None) and isinstance(kept.answer, dict)
    keyed = all(
        each is None or (isinstance(each, str) and _KEYED.fullmatch(each)) for each in (kept.inputs_digest, kept.key)
    )
    rows = all(_is_number(number) and isinstance(id, str | None) for number, id in kept.rows)
    shaped = texts and named and keyed and rows and bool(_HEX.fullmatch(kept.digest))
    return shaped and json_problem([kept.run_id, kept.ref, kept.mode, kept.model, kept.operation, kept.rows]) is None


def _is_number(number: Any) -> bool:
    """Tell whether it may be a line's; files of rows are sorted by numbers of 64 bits."""
    return type(number) is int and 0 < number < 1 << 63
