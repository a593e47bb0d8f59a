"""Started instances: finding, stopping and watching them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from theoryctl.errors import NotRunning, OutputFailed, TheoryctlError, UsageError
from theoryctl.hints import again, command
from theoryctl.instances import records
from theoryctl.instances.instance import Instance
from theoryctl.instances.lock import alone
from theoryctl.instances.records import BadRecord, checked_name
from theoryctl.refs import ProviderRef
from theoryctl.results.instances import (
    InstanceRow,
    InstancesShown,
    RecordingsWritten,
    RequestsShown,
    Stopped,
    UrlShown,
)
from theoryctl.runtimes.find import STARTED, near_started, recorded, recorded_at, require, started_runtime
from theoryctl_providers.contract import ProviderError, sha256

if TYPE_CHECKING:
    from theoryctl.instances.client import Unused


def stop(ref: ProviderRef | None, everything: bool, name: str | None = None) -> Stopped:
    """Stop the instances of a ref, the one of that name, or all; records that are bad are removed.

    Raises UsageError for neither a ref nor all and for both, NotRunning for none, and the failure of the first that
    could not be stopped, once the others are.
    """
    if (ref is None) != everything or (name is not None and everything):
        raise _unclear("both" if everything else "neither", name)
    stopped: list[tuple[Instance, bool]] = []
    unused: list[tuple[Instance, Unused]] = []
    bad: list[BadRecord] = []
    failures = []
    for each in _chosen(ref, checked_name(name)):
        try:
            if isinstance(each, Instance):
                unused += _unused(each)
                stopped.append((each, _stop(each)))
            elif _is_removed(each):
                bad.append(each)
        except ProviderError as failure:
            failures.append(failure)
    if failures:
        raise failures[0]
    return Stopped(tuple(stopped), tuple(bad), tuple(unused))


def _chosen(ref: ProviderRef | None, name: str | None) -> list[Instance | BadRecord]:
    """The records of a ref, those of that name, or without a ref all. Raises NotRunning where a ref has none."""
    known = _all()
    if ref is None:
        return known
    chosen = [each for each in known if _is_of(each, ref, name)]
    if not chosen:
        where = f" under the name {name}" if name else ""
        meant = near_started(ref, _called(known, name))
        hint = again(f"use {meant}", ref=meant) if meant else command("local status", ref=None)
        raise NotRunning(f"{ref} is not started{where}", hint=hint)
    return chosen


def _unused(instance: Instance) -> list[tuple[Instance, Unused]]:
    """Ask an instance for what it was told to answer from and has not; nothing where it is not there to say so."""
    if instance.answers is None or not instance.token:
        return []
    from theoryctl.instances import client

    runtime = started_runtime(instance.runtime)
    with suppress(ProviderError):
        if runtime.state(instance).healthy:
            return [(instance, _still_there(client.unused(instance, runtime.listens), instance.replayed))]
    return []


def _still_there(unused: Unused, folder: str | None) -> Unused:
    """Leave out recordings that were removed since the instance has read them."""
    if folder is None:
        return unused
    left = tuple(each for each in unused.recordings if Path(folder, Path(each).name).is_file())
    return replace(unused, recordings=left)


def _is_of(record: Instance | BadRecord, ref: ProviderRef | None, name: str | None) -> bool:
    key = record.key
    return key is not None and key.ref == ref and name in (None, key.name)


def _stop(instance: Instance) -> bool:
    """Stop one instance. Raises OutputFailed, and leaves it running, where its recordings cannot be written."""
    with _changing(instance.key.file), alone(instance.key):
        # Another command may have been faster. Its record is of another instance, or tells more of this one.
        now = records.loaded(instance.key)
        return ended(now if now is not None and now.is_same(instance) else instance)


def ended(instance: Instance) -> bool:
    """End an instance, once the recordings that it holds are written; False where it was dead. For the holder of its
    lock. Raises OutputFailed, and leaves it running, where they cannot be; those of its last calls are written last."""
    from theoryctl.actions.runs.intake import end

    if instance.record is not None and instance.token and started_runtime(instance.runtime).state(instance).healthy:
        from theoryctl.actions.recordings import collect, collecting

        collect(instance)
        with collecting(instance):
            return end(instance)
    return end(instance)


def _is_removed(record: BadRecord) -> bool:
    """Remove a bad record; False where another command has put a good one in its place meanwhile."""
    key = record.key
    with _changing(record.file), alone(key) if key else nullcontext():
        if key and isinstance(recorded_at(key), Instance):
            return False
        record.remove()
    return True


@contextmanager
def _changing(file: Path) -> Iterator[None]:
    """Turn what the system refuses into OutputFailed."""
    try:
        yield
    except OSError as error:
        message = f"the record {file} cannot be removed: {error.strerror}"
        raise OutputFailed(message, hint=f"ls -ld {quote(str(file))}") from error


def recordings(ref: ProviderRef, runtime: str | None, name: str | None = None) -> RecordingsWritten:
    """Write what an instance has recorded since the last time to the folder it was started with."""
    from theoryctl.actions.recordings import collect

    return collect(require(ref, runtime, name))


def requests(ref: ProviderRef, runtime: str | None, name: str | None = None) -> RequestsShown:
    """Return the newest requests that an instance has answered as a mock.

    Raises UsageError for one that asks vendors, and NotRunning where none runs.
    """
    from theoryctl.instances import client
    from theoryctl.instances.restart import stop_and_start

    instance = require(ref, runtime, name)
    if instance.mode == "real":
        hint = stop_and_start(instance, mode="mock", record=None)
        raise UsageError(f"{instance.ref} was started in real mode, and keeps the requests to mocks alone", hint=hint)
    return RequestsShown(instance, client.requests(instance, started_runtime(instance.runtime).listens))


def status(ref: ProviderRef | None, manifests: str | None) -> InstancesShown:
    """Find the instances and the state of each. Dead ones are listed once more, and forgotten; bad records stay."""
    rows, bad = [], []
    known = _all()
    for each in known:
        if ref is not None and not _is_of(each, ref, None):
            continue
        if isinstance(each, BadRecord):
            bad.append(each)
            continue
        state = started_runtime(each.runtime).state(each)
        rows.append(InstanceRow(each, state, _drift(each, manifests)))
        if state.name == "dead":
            _forget(each)
    return InstancesShown(tuple(rows), tuple(bad), ref, tuple(_instances(known)))


def _unclear(got: str, name: str | None) -> UsageError:
    """The error of a stop that does not say what to stop. Where one instance may be meant, the hint stops that one."""
    started = _called(recorded(), name)
    only = started[0].key if len(started) == 1 and got == "neither" else None
    hint = again(f"use --ref {only.ref}", ref=only.ref) if only else command("local status")
    return UsageError(f"expected --ref or --all, got {got}", hint=hint)


def _instances(known: Iterable[Instance | BadRecord]) -> list[Instance]:
    return [each for each in known if isinstance(each, Instance)]


def _called(known: Iterable[Instance | BadRecord], name: str | None) -> list[Instance]:
    """The instances of that name, or all without one."""
    return [each for each in _instances(known) if name in (None, each.name)]


def _forget(instance: Instance) -> None:
    """Clear a dead instance away, unless another command is at it, or nothing can be written."""
    from theoryctl.actions.runs.intake import end

    with suppress(NotRunning, OSError), alone(instance.key, seconds=0):
        end(instance)


def logs(
    ref: ProviderRef,
    runtime: str | None,
    name: str | None = None,
    *,
    follow: bool,
    tail: int | None,
    since: float | None,
) -> Iterator[str]:
    """Log lines of a ref's instance: the last `tail`, those of the last `since` seconds, and with `follow` new ones."""
    import time
    from itertools import islice

    instance = require(ref, runtime, name)
    where = started_runtime(instance.runtime)
    # A line that has begun is one of those to come: it is not to be counted before it is whole.
    old, broken = _read(where.log_lines(instance, follow=False, unfinished=not follow))
    begin = float("-inf") if since is None else time.time() - since
    shown = old if tail is None else old[len(old) - min(tail, len(old)) :]
    yield from (line for line in shown if _time_of(line) >= begin)
    if broken:
        raise broken
    if follow:
        yield from islice(where.log_lines(instance, follow=True), len(old), None)


def _read(lines: Iterable[str]) -> tuple[list[str], ProviderError | None]:
    """Read a log: its lines, and the error with which it broke off after them."""
    read = []
    try:
        for line in lines:
            read.append(line)
    except ProviderError as error:
        return read, error
    return read, None


def url(ref: ProviderRef, runtime: str | None, name: str | None = None) -> UrlShown:
    """Return the URL of an instance. Raises NotRunning where it is not there, for the port may be another's by now."""
    return UrlShown(reached(ref, runtime, name).url)


def reached(ref: ProviderRef, runtime: str | None, name: str | None = None) -> Instance:
    """Return an instance that is there. Raises NotRunning, also where another program listens at its port."""
    from theoryctl.instances.connection import must_be_there

    instance = require(ref, runtime, name)
    must_be_there(instance, started_runtime(instance.runtime).listens)
    return instance


def _all() -> list[Instance | BadRecord]:
    """Every instance, with a record or without, and every record that is bad."""
    found = list(recorded())
    instances = _instances(found)
    unrecorded = [each for name in STARTED for each in started_runtime(name).unrecorded(instances)]
    return [*found, *unrecorded]


def _drift(instance: Instance, manifests: str | None) -> str | None:
    """The change since the start: `digest` where the manifest pins another one, `manifest` for any other."""
    from theoryctl.manifests.cache import read_manifest
    from theoryctl.manifests.catalog import Catalog
    from theoryctl.manifests.pins import other_pin

    try:
        found = Catalog(manifests).find(ProviderRef.parse(instance.ref))
        if other_pin(found.load().pin(instance.platform), instance.digest, instance.pin):
            return "digest"
        return None if sha256(read_manifest(found.file)) == instance.manifest_digest else "manifest"
    except TheoryctlError:
        return "manifest"


def _time_of(line: str) -> float:
    """The time of a JSON log line; other lines count as new."""
    import json

    try:
        return float(json.loads(line)["time"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
