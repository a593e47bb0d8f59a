"""The records of what was started: one small file for each ref, runtime and name, read without any SDK."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from theoryctl.errors import BadRef, UsageError
from theoryctl.instances.key import RecordKey, folder_of
from theoryctl.paths import state_dir, write_private
from theoryctl.settings import STARTED
from theoryctl_providers.contract import read_regular, shaped

if TYPE_CHECKING:
    from theoryctl.instances.instance import Instance
    from theoryctl.refs import ProviderRef

#: Bytes that a record may have: it holds names, digests and paths.
_MAX_BYTES = 1 << 20

#: The field by which a record names what its runtime has started.
_NAMED_BY = {"docker": "container", "process": "pid"}

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
    times = list[tuple[float, str]]()
    for lock in folder_of(ref).glob("*.lock"):
        key = RecordKey.of_file(lock.with_suffix(".json"))
        if key is not None and key.ref == ref:
            with contextlib.suppress(OSError):
                times.append((lock.stat().st_mtime, key.runtime))
    return max(times)[1] if times else None


def instance_at(key: RecordKey) -> Instance | None:
    """The instance that is recorded in a place; None where there is no record that can be used."""
    found = _read(key.file)
    return None if isinstance(found, BadRecord) else found


def forget(instance: Instance) -> None:
    """Remove the record of this very instance, and no other; for the holder of its lock. Raises OSError."""
    found = instance_at(instance.key)
    if found is not None and found.is_same(instance):
        instance.key.file.unlink(missing_ok=True)


def of_ref(ref: ProviderRef) -> list[Instance | BadRecord]:
    """The records of a ref, in the order of `all_records`."""
    try:
        names = os.listdir(folder_of(ref))
    except OSError:
        return []
    begin = f"{ref.name}@{ref.version}."
    own = (folder_of(ref) / name for name in names if name.startswith(begin) and name.endswith(".json"))
    return list(_in_order(own))


def all_records() -> Iterator[Instance | BadRecord]:
    """Every record, sorted by ref, runtime and name; those in no place of an instance come last."""
    return _in_order((state_dir() / "instances").glob("*/*.json"))


def all_instances() -> Iterator[Instance]:
    """Every record that can be used, in the order of `all_records`."""
    return (found for found in all_records() if not isinstance(found, BadRecord))


def _in_order(files: Iterable[Path]) -> Iterator[Instance | BadRecord]:
    for file in sorted(files, key=_order):
        if found := _read(file):
            yield found


def _order(file: Path) -> tuple[Any, ...]:
    key = RecordKey.of_file(file)
    return (1, file) if key is None else (0, key.ref, key.runtime, key.name or "")


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
        reason = _fault(instance)
        return BadRecord(file, reason) if reason else instance
    except FileNotFoundError:
        return None
    except OSError as error:
        return BadRecord(file, error.strerror or str(error))
    except (ValueError, RecursionError) as error:
        return BadRecord(file, f"it is no record: {error}")
    except BadRef as error:
        return BadRecord(file, error.message)


def _fault(instance: Instance) -> str | None:
    """The reason that no runtime here can have written a record; None where one can."""
    if instance.runtime not in STARTED:
        return f"its runtime is {instance.runtime!r}, expected {' or '.join(STARTED)}"
    field = _NAMED_BY[instance.runtime]
    return f"it names no {field}" if getattr(instance, field) is None else None
