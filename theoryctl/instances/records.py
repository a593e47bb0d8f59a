"""The records of what was started: one small file for each ref, runtime and name, read without any SDK."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from theoryctl.errors import BadRef, UsageError
from theoryctl.instances.key import RecordKey, folder_of
from theoryctl.paths import state_dir, write_private
from theoryctl_providers.contract import read_regular, shaped

if TYPE_CHECKING:
    from theoryctl.instances.instance import Instance
    from theoryctl.refs import ProviderRef

#: Bytes that a record may have: it holds names, digests and paths.
_MAX_BYTES = 1 << 20

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)


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
    from dataclasses import asdict

    # In ASCII, for the names of files may have bytes that are no text.
    write_private(instance.key.file, json.dumps(asdict(instance)).encode())
    with contextlib.suppress(FileNotFoundError):
        os.utime(instance.key.file.with_suffix(".lock"))  # it outlives the record, and tells what was started last


def last_runtime(ref: ProviderRef) -> str | None:
    """The runtime that a ref was last started in, whether it still runs or not; None where that is not known."""
    keys = ((RecordKey.of_file(lock.with_suffix(".json")), lock) for lock in folder_of(ref).glob("*.lock"))
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
    return None if isinstance(found, BadRecord) else found


def forget(instance: Instance) -> None:
    """Remove the record of this very instance, and no other; for the holder of its lock. Raises OSError."""
    found = loaded(instance.key)
    if found is not None and found.is_same(instance):
        instance.key.file.unlink(missing_ok=True)


def of_ref(ref: ProviderRef) -> list[Instance | BadRecord]:
    """The records of a ref, sorted by runtime and name."""
    try:
        names = os.listdir(folder_of(ref))
    except OSError:
        return []
    begin = f"{ref.name}@{ref.version}."
    files = sorted(folder_of(ref) / name for name in names if name.startswith(begin) and name.endswith(".json"))
    return [found for file in files if (found := _read(file))]


def all_records() -> Iterator[Instance | BadRecord]:
    """Every record, sorted by ref, runtime and name."""
    for file in sorted((state_dir() / "instances").glob("*/*.json")):
        if found := _read(file):
            yield found


def all_instances() -> Iterator[Instance]:
    """Every record that can be used, in the order of `all_records`."""
    return (found for found in all_records() if not isinstance(found, BadRecord))


def _read(file: Path) -> Instance | BadRecord | None:
    # The class takes longer to make than most runs take to find that nothing is started.
    from theoryctl.instances.instance import Instance

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
