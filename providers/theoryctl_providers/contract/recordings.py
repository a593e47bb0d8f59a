"""Recorded exchanges: what one is, its file, and where they are kept until they are written."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

from theoryctl_providers.contract.answer import Event
from theoryctl_providers.contract.constraints import Must
from theoryctl_providers.contract.errors import ProviderError
from theoryctl_providers.contract.events import (
    Annotation,
    Delta,
    Finish,
    Operation,
    Output,
    Usage,
    VendorInfo,
    filled,
)
from theoryctl_providers.contract.files import replace_file
from theoryctl_providers.contract.from_json import shaped
from theoryctl_providers.contract.json_text import canonical, dumps, sha256

SCHEMA = "theoryctl.recording/v1"

#: Characters of recordings that are kept for whoever writes them.
MOST_KEPT = 64 << 20

#: How deep a recording may nest: inputs and outputs may be as deep as any JSON here, and lie a little deeper in it.
DEPTH = 110

_KINDS: dict[str, type] = {
    "delta": Delta,
    "annotation": Annotation,
    "output": Output,
    "usage": Usage,
    "finish": Finish,
    "vendor": VendorInfo,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One exchange with a vendor.

    `key` is the digest of what was asked (`replay.key_of`). `inputs` is that as it may be shown: plain JSON, the
    attachments by their digests, without secrets. `events` are those of the answer, chunk by chunk, with usage and
    price. `number` counts the exchanges with one key, from 1: the same request may be answered in several ways.
    """

    key: str
    operation: Operation
    model: str
    inputs: Mapping[str, Any]
    events: tuple[Event, ...]
    number: int = 1

    @property
    def file_name(self) -> str:
        """The model, the beginning of the key and the number, so that the same exchange always has the same file."""
        model = re.sub(r"[^A-Za-z0-9.]+", "-", self.model).strip("-.")
        number = "" if self.number == 1 else f".{self.number}"
        return f"{model}-{self.key[7:23]}{number}.json"

    def dump(self) -> dict[str, Any]:
        """The recording as JSON, `theoryctl.recording/v1`."""
        events = [{_NAMES[type(event)]: filled(event)} for event in self.events]
        asked = {"key": self.key, "operation": self.operation, "model": self.model, "inputs": self.inputs}
        number = {} if self.number == 1 else {"number": self.number}
        return {"schema": SCHEMA, **asked, **number, "events": events}

    def text(self) -> str:
        """The file's text: indented, with one event a line, so that a changed answer is a readable diff."""
        document = self.dump()
        lines = ",\n".join(f"    {dumps(event)}" for event in document.pop("events"))
        head = dumps(document, indent=2).removesuffix("\n}")
        return f'{head},\n  "events": [\n{lines}\n  ]\n}}\n'

    @staticmethod
    def key_for(operation: Operation, inputs: Mapping[str, Any]) -> str:
        """The digest that names an exchange: of the canonical JSON of its operation and inputs."""
        return sha256(canonical({"operation": operation, "inputs": inputs}, depth=DEPTH))

    @classmethod
    def load(cls, value: Any) -> Recording:
        """The recording of a document that `recording_files` lets pass, or that `dump` gave.

        Raises ValueError, with the place of what does not fit, for what is none.
        """
        document: _Document = shaped(_Document, value)
        return cls(
            key=document.key,
            operation=document.operation,
            model=document.model,
            inputs=document.inputs,
            events=tuple(_events(document)),
            number=document.number,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    schema: Literal["theoryctl.recording/v1"]
    key: Annotated[str, Must({"pattern": "^sha256:[0-9a-f]{64}$"})]
    operation: Operation
    model: str
    inputs: Mapping[str, Any]
    number: int = 1
    events: tuple[dict[Literal["delta", "annotation", "output", "usage", "finish", "vendor"], dict[str, Any]], ...]


def _events(document: _Document) -> Iterator[Event]:
    for index, said in enumerate(document.events):
        for name, value in said.items():
            parts = _output_parts(value) if name == "output" else value
            yield shaped(_KINDS[name], parts, f"$.events[{index}].{name}")


def _output_parts(value: Mapping[str, Any]) -> dict[str, Any]:
    """An output's fields as they were before `filled` left out what is null and wrote bytes as text."""
    parts = {"value": None, **value}
    data = shaped(str | None, parts.pop("base64", None), "$.base64")
    return parts if data is None else {**parts, "value": base64.b64decode(data, validate=True)}


class Recordings:
    """Recordings to answer from, by key and number. Whoever holds the object holds the position, as of a script."""

    def __init__(self, recordings: Iterable[Recording]) -> None:
        self._by_key: dict[str, list[Recording]] = {}
        self._taken: dict[str, int] = {}
        self._like: dict[str, str] = {}
        for recording in sorted(recordings, key=lambda recording: recording.number):
            self.add(recording)

    def __iter__(self) -> Iterator[Recording]:
        return chain.from_iterable(self._by_key.values())

    def __bool__(self) -> bool:
        return bool(self._by_key)

    def __contains__(self, key: object) -> bool:
        return key in self._by_key

    @property
    def unused(self) -> list[Recording]:
        """Recordings that have answered nothing so far."""
        return [one for key, found in self._by_key.items() for one in found[self._taken.get(key, 0) :]]

    @property
    def used(self) -> int:
        """The number of recordings that have answered."""
        return sum(min(taken, len(self._by_key[key])) for key, taken in self._taken.items())

    def add(self, recording: Recording) -> None:
        """Take in one more, behind the others of its key."""
        self._by_key.setdefault(recording.key, []).append(recording)

    def like(self, key: str, likeness: Callable[[Recording], str]) -> str | None:
        """The key of a recording that has the same likeness: the first that was not taken, else the last; None where
        there is none. A recording's likeness is made once, so that only one way of making it is right."""
        for name, (first, *_) in self._by_key.items():
            if name not in self._like:
                self._like[name] = likeness(first)
        found = [name for name, like in self._like.items() if like == key]
        return next((name for name in found if name not in self._taken), found[-1] if found else None)

    def add_answer(self, recording: Recording) -> None:
        """Take in one whose answer was given just now, so that it counts as used."""
        self.add(recording)
        self._taken[recording.key] = len(self._by_key[recording.key])

    def take(self, key: str) -> Recording | None:
        """The next recording with that key, and the last again after it; None where there is none."""
        found, taken = self._by_key.get(key), self._taken.get(key, 0)
        if found is None:
            return None
        self._taken[key] = taken + 1
        return found[min(taken, len(found) - 1)]


class Tape:
    """Keeps recordings until they have been written elsewhere."""

    def __init__(self) -> None:
        self._kept: list[tuple[int, Recording]] = []
        self._of_key: dict[str, int] = {}
        self._characters = self._added = 0

    @property
    def is_full(self) -> bool:
        """True where as much is kept as a server should hold."""
        return self._characters >= MOST_KEPT

    @property
    def is_empty(self) -> bool:
        """True where nothing is kept."""
        return not self._kept

    def add(self, recording: Recording) -> Recording:
        """Keep one, and return it with its number among those of its key."""
        self._added += 1
        self._of_key[recording.key] = number = self._of_key.get(recording.key, 0) + 1
        recording = replace(recording, number=number)
        self._kept.append((self._added, recording))
        self._characters += len(recording.text())
        return recording

    def kept(self) -> tuple[list[Recording], int]:
        """Return the recordings kept, oldest first, and the number of the newest, for `forget`."""
        return [recording for _, recording in self._kept], self._added

    def forget(self, upto: int) -> None:
        """Drop those up to a number that `kept` gave."""
        self._kept = [(number, recording) for number, recording in self._kept if number > upto]
        self._characters = sum(len(recording.text()) for _, recording in self._kept)


def write_recordings(folder: Path, recordings: Iterable[Recording]) -> list[Path]:
    """Write each recording to its file, whole or not at all, over an older one of the same exchange.

    The folder is made, also for no recordings. Raises ProviderError `ERR_OUTPUT`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = [(folder / recording.file_name, recording.text().encode()) for recording in recordings]
        for file, data in files:
            replace_file(file, data, private=False)
    except OSError as error:
        message = f"recordings cannot be written to {folder}: {error.strerror}"
        raise ProviderError("ERR_OUTPUT", message, hint="make it a folder that can be written to") from error
    return [file for file, _ in files]
