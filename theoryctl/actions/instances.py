"""Started instances: finding and watching them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from theoryctl.actions.known import all_known, instances_of, is_of
from theoryctl.errors import NotRunning, TheoryctlError, UsageError
from theoryctl.instances.instance import Instance
from theoryctl.instances.lock import alone
from theoryctl.instances.records import BadRecord
from theoryctl.refs import ProviderRef
from theoryctl.results.instances import (
    InstanceRow,
    InstancesShown,
    RecordingsWritten,
    RequestsShown,
    UrlShown,
)
from theoryctl.runtimes.find import require, started_runtime
from theoryctl_providers.contract import ProviderError


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
    known = all_known()
    for each in known:
        if ref is not None and not is_of(each, ref, None):
            continue
        if isinstance(each, BadRecord):
            bad.append(each)
            continue
        state = started_runtime(each.runtime).state(each)
        rows.append(InstanceRow(each, state, _drift(each, manifests)))
        if state.name == "dead":
            _forget(each)
    return InstancesShown(tuple(rows), tuple(bad), ref, tuple(instances_of(known)))


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


def _drift(instance: Instance, manifests: str | None) -> str | None:
    """The change since the start: `digest` where the manifest pins another one, else `manifest` or `code`; None where
    nothing has changed."""
    from theoryctl.actions.outdated import changed_since
    from theoryctl.manifests.catalog import Catalog
    from theoryctl.manifests.pins import other_pin

    try:
        found = Catalog(manifests).find(ProviderRef.parse(instance.ref))
        if other_pin(found.load().pin(instance.platform), instance.digest, instance.pin):
            return "digest"
        return changed_since(instance, found)
    except TheoryctlError:
        return "manifest"


def _time_of(line: str) -> float:
    """The time of a JSON log line; other lines count as new."""
    import json

    try:
        return float(json.loads(line)["time"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
