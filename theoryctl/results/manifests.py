"""Results of the manifest commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theoryctl.manifests.model import Manifest
    from theoryctl_providers.contract.conformance import Report


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One line of `manifest list`; `problem` is the code of what is wrong with the file, if anything."""

    ref: str
    title: str
    provider: str
    model: str
    source: str
    file: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class ManifestList:
    """Every ref that can be run from here."""

    rows: tuple[ManifestRow, ...]
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        fields = ManifestRow.__slots__
        rows = [{name: getattr(row, name) for name in fields} for row in self.rows]
        return {"schema": "theoryctl.manifest-list/v1", "manifests": rows}


@dataclass(frozen=True, slots=True)
class ManifestShown:
    """One manifest, and the file it was found in.

    `keys_set` are the names of its secrets that have a value in this environment; `flags` is the end of a command that
    finds the same manifest.
    """

    manifest: Manifest
    file: str
    source: str
    keys_set: tuple[str, ...] = ()
    flags: str = ""
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        manifest = self.manifest.document()
        return {"schema": "theoryctl.manifest/v1", "file": self.file, "source": self.source, "manifest": manifest}


@dataclass(frozen=True, slots=True)
class ManifestsValid:
    """The files that were checked and found good."""

    files: tuple[str, ...]
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        return {"schema": "theoryctl.manifest-validation/v1", "valid": True, "files": list(self.files)}


@dataclass(frozen=True, slots=True)
class SchemaShown:
    """A JSON Schema; JSON is its only form."""

    schema: dict[str, Any]
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        return self.schema


@dataclass(frozen=True, slots=True)
class ManifestExported:
    """A manifest that was copied for its user to change."""

    ref: str
    source: str
    file: str
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        return {"schema": "theoryctl.manifest-export/v1", "ref": self.ref, "source": self.source, "file": self.file}


@dataclass(frozen=True, slots=True)
class ManifestCreated:
    """A provider that was begun: its files, the command that runs it, and the manifest that it comes before, if any."""

    ref: str
    files: tuple[str, ...]
    next: str
    hidden: str | None = None
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        return {"schema": "theoryctl.manifest-new/v1", "ref": self.ref, "files": list(self.files), "next": self.next}


@dataclass(frozen=True, slots=True)
class ConformanceTested:
    """A manifest's provider, and whether it keeps the rules for providers, in real mode too if `asks_real`."""

    ref: str
    report: Report
    asks_real: bool = False

    @property
    def exit_status(self) -> int:
        """0 where no check failed, else 1."""
        return 0 if self.report.conforms else 1

    def document(self) -> dict[str, Any]:
        return {**self.report.document(), "ref": self.ref}
