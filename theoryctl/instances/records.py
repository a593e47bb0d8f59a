"""The records of what was started: one small file for each ref, runtime and name, read without any SDK."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from theoryctl.errors import BadRef, UsageError
from theoryctl.paths import state_dir, write_private
from theoryctl.refs import ProviderRef
from theoryctl_providers.contract import Must, dumps, read_regular, shaped

#: Bytes that a record may have: it holds names, digests and paths.
_MAX_BYTES = 1 << 20

#: Empty while the instance is being started. A port is at most 65535.
_PORT = r"[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
_URL = rf"^(http://127\.0\.0\.1:({_PORT}))?$"

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)


class RecordKey(NamedTuple):
    """The place of a record. `name` is that of `--name`; None for the instance that was started without one."""

    ref: ProviderRef
    runtime: str
    name: str | None = None

    @property
    def file(self) -> Path:
        """The path of the record."""
        named = f".{self.name}" if self.name else ""
        return _folder(self.ref) / f"{self.ref.name}@{self.ref.version}.{self.runtime}{named}.json"

    @classmethod
    def of_file(cls, file: Path) -> RecordKey | None:
        """Read the key from the path of a record; None for the path of any other file."""
        name, _, rest = file.name.removesuffix(".json").rpartition("@")
        version, _, rest = rest.partition(".")
        runtime, dot, own = rest.partition(".")
        with contextlib.suppress(BadRef):
            key = cls(ProviderRef.parse(f"{file.parent.name}/{name}@{version}"), runtime, own if dot else None)
            if key.file.name == file.name:
                return key
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A started provider.

    `name` tells it from others of the same ref and runtime. `url` is where it listens, `token` what every request must
    carry, and `server_port` the port that its own server listens on, where that is another than the URL's. `pid` and
    `pid_started` (in the system's own count) name the process of a process: a pid alone may be another's by now;
    `container` is the ID of a container. `started_at` is seconds since the epoch, `max_attachment` bytes.

    Of a container `image` is the reference it was started from and `digest` that image's: of its manifest, or where it
    was built here its ID. `pin` is what the manifest pinned for `platform` at the start; `source` tells whether another
    start would choose the same image.

    `secrets` has a digest of each secret that it was given, keyed with the token (`secrets.secret_digests`).
    `answers` is the digest of the script or the recordings that mock mode answers from, `record` the folder that real
    exchanges are written to, `mock_version` the one that a flag or a setting said. `flags` are those of its start, by
    the names of `local start`'s parameters, with absolute paths.
    """

    ref: str
    runtime: str
    name: str | None = None
    url: Annotated[str, Must({"pattern": _URL})]
    mode: str
    token: str = field(repr=False)
    started_at: float
    manifest_digest: str
    secrets_present: tuple[str, ...]
    secrets_absent: tuple[str, ...]
    max_attachment: int
    platform: str
    server_port: int | None = None
    pid: int | None = None
    pid_started: float | None = None
    log: str | None = None
    container: str | None = None
    image: str | None = None
    digest: str | None = None
    pin: str | None = None
    source: str | None = None
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    answers: str | None = None
    record: str | None = None
    mock_version: int | None = None
    flags: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> RecordKey:
        """The place of its record."""
        return RecordKey(ProviderRef.parse(self.ref), self.runtime, self.name)

    @property
    def where(self) -> str:
        """Its runtime, with its name behind a colon if it has one."""
        return f"{self.runtime}:{self.name}" if self.name else self.runtime

    @property
    def replayed(self) -> str | None:
        """The folder of recordings that it was started to answer from, as an absolute path; None without one."""
        folder = self.flags.get("replay") or self.flags.get("record_missing")
        return folder if isinstance(folder, str) else None

    def is_same(self, other: Instance) -> bool:
        """Return whether both are of the same process or container."""
        return _identity(self) == _identity(other)


class BadRecord(NamedTuple):
    """A record that cannot be used, and the reason."""

    file: Path
    reason: str

    @property
    def key(self) -> RecordKey | None:
        """The place it stands in; None for the path of any other file."""
        return RecordKey.of_file(self.file)

    def remove(self) -> None:
        """Remove the file. Raises OSError, also for a folder."""
        self.file.unlink(missing_ok=True)


def checked_name(name: str | None) -> str | None:
    """`--name`, checked. Raises UsageError."""
    if name is None or _NAME.fullmatch(name):
        return name
    message = f"--name {name!r}: expected at most 63 of a-z, 0-9, '-' and '_', with a letter or digit first"
    raise UsageError(message, hint="choose another --name")


def state_id(*, make: bool = False) -> str | None:
    """The id of this state folder, which labels the containers that were started from it; None where none ever was.

    Raises OSError where one is to be made and cannot be written.
    """
    file = state_dir() / "id"
    with contextlib.suppress(OSError):
        if known := _state_id(file):
            return known
    if not make:
        return None
    write_private(file, f"{os.urandom(8).hex()}\n".encode())
    return _state_id(file)


def _state_id(file: Path) -> str:
    return read_regular(file, 100).decode(errors="replace").strip()


def save(instance: Instance) -> None:
    """Write the record, mode 0600; for the holder of its lock. Raises OSError."""
    write_private(instance.key.file, dumps(asdict(instance)).encode())
    with contextlib.suppress(FileNotFoundError):
        os.utime(instance.key.file.with_suffix(".lock"))  # it outlives the record, and tells what was started last


def last_runtime(ref: ProviderRef) -> str | None:
    """The runtime that a ref was last started in, whether it still runs or not; None where that is not known."""
    keys = ((RecordKey.of_file(lock.with_suffix(".json")), lock) for lock in _folder(ref).glob("*.lock"))
    locks = [(lock, key.runtime) for lock, key in ((lock, key) for key, lock in keys) if key and key.ref == ref]
    with contextlib.suppress(OSError):
        return max((lock.stat().st_mtime, runtime) for lock, runtime in locks)[1] if locks else None
    return None


def load(key: RecordKey) -> Instance | BadRecord | None:
    """The record in a place; None where there is none."""
    return _read(key.file)


def loaded(key: RecordKey) -> Instance | None:
    """The instance recorded in a place; None where there is none that can be used."""
    found = load(key)
    return found if isinstance(found, Instance) else None


def forget(instance: Instance) -> None:
    """Remove the record of this very instance, and no other; for the holder of its lock. Raises OSError."""
    found = loaded(instance.key)
    if found is not None and found.is_same(instance):
        instance.key.file.unlink(missing_ok=True)


def of_ref(ref: ProviderRef) -> list[Instance | BadRecord]:
    """The records of a ref, sorted by runtime and name."""
    try:
        names = os.listdir(_folder(ref))
    except OSError:
        return []
    begin = f"{ref.name}@{ref.version}."
    files = sorted(_folder(ref) / name for name in names if name.startswith(begin) and name.endswith(".json"))
    return [found for file in files if (found := _read(file))]


def all_records() -> Iterator[Instance | BadRecord]:
    """Every record, sorted by ref, runtime and name."""
    for file in sorted((state_dir() / "instances").glob("*/*.json")):
        if found := _read(file):
            yield found


def all_instances() -> Iterator[Instance]:
    """The same without those that cannot be used."""
    return (found for found in all_records() if isinstance(found, Instance))


def _read(file: Path) -> Instance | BadRecord | None:
    try:
        data = read_regular(file, _MAX_BYTES)
        if len(data) > _MAX_BYTES:
            return BadRecord(file, f"it has more than {_MAX_BYTES} bytes")
        instance: Instance = shaped(Instance, json.loads(data))
        if instance.key.file.name != file.name or instance.key.ref.namespace != file.parent.name:
            return BadRecord(file, f"it is of {instance.ref} ({instance.where}), which has another place")
        return instance
    except FileNotFoundError:
        return None
    except OSError as error:
        return BadRecord(file, error.strerror or str(error))
    except (ValueError, RecursionError) as error:
        return BadRecord(file, f"it is no record: {error}")
    except BadRef as error:
        return BadRecord(file, error.message)


def _folder(ref: ProviderRef) -> Path:
    return state_dir() / "instances" / ref.namespace


def _identity(instance: Instance) -> tuple[Any, ...]:
    return instance.pid, instance.pid_started, instance.container
