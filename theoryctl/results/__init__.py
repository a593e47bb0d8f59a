"""What each command's work returns; `ui.py` alone shows it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from theoryctl.errors import exit_status
from theoryctl.instances.records import Instance
from theoryctl.manifests.model import Manifest
from theoryctl.results.images import ImageBuilt, ImagePinned, ImagePushed, ImageResolved, ImageVerified
from theoryctl.results.modal import Deployed, DeploymentsShown, SecretsSynced, Undeployed
from theoryctl_providers.contract import Envelope

if TYPE_CHECKING:
    from theoryctl.runtimes.base import State


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run, failed or not."""

    envelope: Envelope

    def document(self) -> dict[str, Any]:
        return dict(self.envelope)

    @property
    def exit_status(self) -> int:
        return exit_status(self.envelope["error"])


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
    """One manifest and the file it was found in."""

    manifest: Manifest
    file: str
    source: str
    text: str
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
class Started:
    """An instance that runs now."""

    instance: Instance
    already_running: bool
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        facts = instance_facts(self.instance)
        return {"schema": "theoryctl.instance/v1", **facts, "already_running": self.already_running}


@dataclass(frozen=True, slots=True)
class Stopped:
    """The instances that were stopped, each with whether it was still alive."""

    instances: tuple[tuple[Instance, bool], ...]
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        rows = [{"ref": each.ref, "runtime": each.runtime, "was_running": alive} for each, alive in self.instances]
        return {"schema": "theoryctl.stopped/v1", "instances": rows}


@dataclass(frozen=True, slots=True)
class RecordingsWritten:
    """The files of the recordings that an instance handed out."""

    files: tuple[str, ...]
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        return {"schema": "theoryctl.recordings/v1", "files": list(self.files)}


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """One line of `status`; `drift` is what has changed since the start: `digest`, `manifest` or nothing."""

    instance: Instance
    state: State
    drift: str | None


@dataclass(frozen=True, slots=True)
class InstancesShown:
    """What `status` found."""

    rows: tuple[InstanceRow, ...]
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        rows = [
            {
                **instance_facts(row.instance),
                "state": row.state.name,
                "healthy": row.state.healthy,
                "drift": row.drift,
                "cpu_percent": row.state.cpu_percent,
                "memory_bytes": row.state.memory_bytes,
            }
            for row in self.rows
        ]
        return {"schema": "theoryctl.status/v1", "instances": rows}


@dataclass(frozen=True, slots=True)
class UrlShown:
    """Where an instance listens."""

    url: str
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        return {"schema": "theoryctl.url/v1", "url": self.url}


@dataclass(frozen=True, slots=True)
class EnvShown:
    """Variables for another program."""

    variables: dict[str, str]
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        return {"schema": "theoryctl.env/v1", "variables": self.variables}


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
    """A provider that was begun: its files, and the command that runs it."""

    ref: str
    files: tuple[str, ...]
    next: str
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        return {"schema": "theoryctl.manifest-new/v1", "ref": self.ref, "files": list(self.files), "next": self.next}


def instance_facts(instance: Instance) -> dict[str, Any]:
    """What may be said of an instance: everything but its token."""
    facts = asdict(instance)
    for name in ("token", "pid_started", "source"):
        del facts[name]
    return {**facts, **{name: list(facts[name]) for name in ("secrets_present", "secrets_absent")}}


Result = (
    RunResult
    | ManifestList
    | ManifestShown
    | ManifestsValid
    | SchemaShown
    | Started
    | Stopped
    | RecordingsWritten
    | InstancesShown
    | UrlShown
    | EnvShown
    | ImageResolved
    | ImageBuilt
    | ImagePushed
    | ImagePinned
    | ImageVerified
    | ManifestExported
    | ManifestCreated
    | Deployed
    | DeploymentsShown
    | Undeployed
    | SecretsSynced
)
