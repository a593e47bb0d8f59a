"""The place of a record: a ref, a runtime and a name, and the file that they stand for."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

from theoryctl.errors import BadRef
from theoryctl.paths import state_dir
from theoryctl.refs import ProviderRef


class RecordKey(NamedTuple):
    """The place of a record. `name` is that of `--name`; None for the instance that was started without one."""

    ref: ProviderRef
    runtime: str
    name: str | None = None

    @property
    def file(self) -> Path:
        """The path of the record."""
        named = f".{self.name}" if self.name else ""
        return folder_of(self.ref) / f"{self.ref.name}@{self.ref.version}.{self.runtime}{named}.json"

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


def folder_of(ref: ProviderRef) -> Path:
    """The folder with the records of a ref and of its neighbours."""
    return state_dir() / "instances" / ref.namespace
