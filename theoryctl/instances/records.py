"""The records of what was started: one small file for each ref and runtime, read without any SDK."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from theoryctl.paths import state_dir, write_private
from theoryctl.refs import ProviderRef
from theoryctl_providers.contract import dumps, shaped


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A started provider.

    `url` is where it listens, `token` what every request must carry. `pid` and `pid_started` (in the system's
    own count) name the process of a process: a pid alone may be another's by now; `container` is the ID of a container.
    `started_at` is seconds since the epoch, `max_attachment` bytes.

    Of a container `image` is the reference it was started from and `digest` that image's: of its manifest, or where it
    was built here its ID. `pin` is what the manifest pinned for `platform` at the start; `source` tells whether another
    start would choose the same image.

    `answers` is the digest of the script or the recordings that mock mode answers from, `record` the folder that real
    exchanges are written to. `flags` are those of its start, by the names of `local start`'s parameters, with absolute
    paths.
    """

    ref: str
    runtime: str
    url: str
    mode: str
    token: str = field(repr=False)
    started_at: float
    manifest_digest: str
    secrets_present: tuple[str, ...]
    secrets_absent: tuple[str, ...]
    max_attachment: int
    platform: str
    pid: int | None = None
    pid_started: float | None = None
    log: str | None = None
    container: str | None = None
    image: str | None = None
    digest: str | None = None
    pin: str | None = None
    source: str | None = None
    answers: str | None = None
    record: str | None = None
    flags: dict[str, Any] = field(default_factory=dict)


def record_file(ref: ProviderRef, runtime: str) -> Path:
    """Return the path of an instance's record."""
    return state_dir() / "instances" / ref.namespace / f"{ref.name}@{ref.version}.{runtime}.json"


def state_id(*, make: bool = False) -> str | None:
    """The id of this state folder, which labels the containers that were started from it; None where none ever was.

    Raises OSError where one is to be made and cannot be written.
    """
    file = state_dir() / "id"
    with contextlib.suppress(OSError):
        if known := file.read_text().strip():
            return known
    if not make:
        return None
    write_private(file, f"{secrets.token_hex(8)}\n".encode())
    return file.read_text().strip()


def save(instance: Instance) -> None:
    """Write the record, mode 0600. Raises OSError."""
    file = record_file(ProviderRef.parse(instance.ref), instance.runtime)
    write_private(file, dumps(asdict(instance)).encode())


def load(ref: ProviderRef, runtime: str) -> Instance | None:
    """The recorded instance of that ref and runtime; None when there is no record, or one that cannot be read."""
    return _read(record_file(ref, runtime))


def remove(ref: ProviderRef, runtime: str) -> None:
    """Forget an instance. Raises OSError."""
    record_file(ref, runtime).unlink(missing_ok=True)


def all_instances() -> Iterator[Instance]:
    """Every readable record, sorted by ref and runtime. One that cannot be read is removed: nobody else can use it."""
    for file in sorted((state_dir() / "instances").glob("*/*.json")):
        instance = _read(file)
        if instance is None:
            file.unlink(missing_ok=True)
        else:
            yield instance


def _read(file: Path) -> Instance | None:
    try:
        instance: Instance = shaped(Instance, json.loads(file.read_bytes()))
        return instance
    except (OSError, ValueError, RecursionError):
        return None
