"""Results of commands on started instances."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from theoryctl.errors import exit_status
from theoryctl.instances.instance import Instance
from theoryctl.instances.records import BadRecord

if TYPE_CHECKING:
    from theoryctl.instances.client import Journal, Unused
    from theoryctl.refs import ProviderRef
    from theoryctl.runtimes.base import State
    from theoryctl_providers.contract import ErrorInfo


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
class NotStopped:
    """An instance that could not be stopped, or a bad record that could not be removed, and the reason."""

    record: Instance | BadRecord
    error: ErrorInfo


@dataclass(frozen=True, slots=True)
class Stopped:
    """The instances that were stopped, each with whether it was still alive, and the bad records that were removed."""

    instances: tuple[tuple[Instance, bool], ...]
    bad: tuple[BadRecord, ...] = ()
    #: Rules and recordings that answered nothing, of instances that were told some.
    unused: tuple[tuple[Instance, Unused], ...] = ()
    failures: tuple[NotStopped, ...] = ()

    @property
    def error(self) -> ErrorInfo | None:
        """The first failure."""
        return self.failures[0].error if self.failures else None

    @property
    def exit_status(self) -> int:
        """The status of the first failure; else 3 where a strict script has a rule that answered nothing."""
        return exit_status(self.error) or (3 if any(unused.fails for _, unused in self.unused) else 0)

    def document(self) -> dict[str, Any]:
        rows = [{**_place(each), "was_running": alive} for each, alive in self.instances]
        unused = [
            {
                **_place(each),
                "rules": list(found.rules),
                "strict": found.strict,
                "recordings": list(found.recordings),
            }
            for each, found in self.unused
        ]
        stopped = {"schema": "theoryctl.stopped/v1", "instances": rows, "bad_records": _bad(self.bad), "unused": unused}
        if not self.failures:
            return stopped
        failures = [{**_place(each.record), "error": each.error} for each in self.failures]
        return {**stopped, "status": "error", "error": self.error, "failures": failures}


def _place(record: Instance | BadRecord) -> dict[str, Any]:
    """The ref, runtime and name of a record, null where its path does not tell them."""
    ref, runtime, name = record.key or (None, None, None)
    return {"ref": ref and str(ref), "runtime": runtime, "name": name}


@dataclass(frozen=True, slots=True)
class RecordingsWritten:
    """The files of the recordings that an instance handed out."""

    files: tuple[str, ...]
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        return {"schema": "theoryctl.recordings/v1", "files": list(self.files)}


@dataclass(frozen=True, slots=True)
class RequestsShown:
    """The newest requests that an instance has answered as a mock."""

    instance: Instance
    journal: Journal
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        whose = {"ref": self.instance.ref, "runtime": self.instance.runtime, "name": self.instance.name}
        asked = {"requests": list(self.journal.requests), "dropped": self.journal.dropped}
        return {"schema": "theoryctl.requests/v1", **whose, **asked}


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """One line of `status`; `drift` names the change since the start: `digest`, `manifest`, `code` or None."""

    instance: Instance
    state: State
    drift: str | None


@dataclass(frozen=True, slots=True)
class InstancesShown:
    """The instances that `status` found, and the records that are bad; where it was asked for one ref, that, and all
    that is started."""

    rows: tuple[InstanceRow, ...]
    bad: tuple[BadRecord, ...] = ()
    ref: ProviderRef | None = None
    started: tuple[Instance, ...] = ()
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
        return {"schema": "theoryctl.status/v1", "instances": rows, "bad_records": _bad(self.bad)}


@dataclass(frozen=True, slots=True)
class UrlShown:
    """The URL of an instance."""

    url: str
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        return {"schema": "theoryctl.url/v1", "url": self.url}


@dataclass(frozen=True, slots=True)
class EnvShown:
    """Variables for another program; `replaced` are those that are set here, and lead to no instance."""

    variables: dict[str, str]
    replaced: tuple[str, ...] = ()
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        return {"schema": "theoryctl.env/v1", "variables": self.variables, "replaced": list(self.replaced)}


@dataclass(frozen=True, slots=True)
class EnvUnset:
    """Variables to unset; `kept` are those that lead to no instance by now."""

    names: tuple[str, ...]
    kept: tuple[str, ...] = ()
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        return {"schema": "theoryctl.env/v1", "variables": dict.fromkeys(self.names), "kept": list(self.kept)}


def instance_facts(instance: Instance) -> dict[str, Any]:
    """The facts of an instance that may be shown: everything but its token and what is of use to `start` alone."""
    facts = asdict(instance)
    for name in ("token", "pid_started", "source", "server_port", "secrets", "mock_version", "code"):
        del facts[name]
    facts["serves"] = ["mock"] if instance.flags.get("mode") == "mock" else ["mock", "real"]
    return {**facts, **{name: list(facts[name]) for name in ("secrets_present", "secrets_absent")}}


def _bad(records: tuple[BadRecord, ...]) -> list[dict[str, str]]:
    return [{"path": str(record.file), "reason": record.reason} for record in records]
