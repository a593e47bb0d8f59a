"""Started instances: finding, stopping and watching them, and what other programs need to talk to one."""

from __future__ import annotations

from collections.abc import Iterator

from theoryctl.errors import NotRunning, TheoryctlError, UsageError
from theoryctl.hints import command
from theoryctl.instances import records
from theoryctl.instances.records import Instance
from theoryctl.manifests.cache import read_manifest
from theoryctl.manifests.catalog import Catalog
from theoryctl.manifests.pins import other_pin
from theoryctl.refs import ProviderRef
from theoryctl.results.instances import EnvShown, InstanceRow, InstancesShown, RecordingsWritten, Stopped, UrlShown
from theoryctl.runtimes.find import STARTED, require, started_runtime
from theoryctl_providers.contract import ProviderError, sha256


def stop(ref: ProviderRef | None, everything: bool) -> Stopped:
    """Stop the instances of a ref, or all. Raises UsageError for neither and for both, NotRunning for none, and the
    failure of the first that could not be stopped, once the others are."""
    if (ref is None) != everything:
        raise UsageError("stop wants --ref REF or --all, and one of them", hint=command("local status"))
    chosen = [instance for instance in _all() if everything or instance.ref == str(ref)]
    if not chosen and ref is not None:
        raise NotRunning(f"{ref} is not started", hint=command("local status"))
    stopped, failures = [], []
    for instance in chosen:
        try:
            stopped.append((instance, _stop(instance)))
        except ProviderError as failure:
            failures.append(failure)
    if failures:
        raise failures[0]
    return Stopped(tuple(stopped))


def _stop(instance: Instance) -> bool:
    """Stop one; what it has recorded and not handed out is written first. Raises OutputFailed: it still runs then."""
    runtime = started_runtime(instance.runtime)
    if instance.record is not None and instance.token and runtime.state(instance).healthy:
        from theoryctl.actions.recordings import collect

        collect(instance)
    return runtime.stop(instance)


def recordings(ref: ProviderRef, runtime: str | None) -> RecordingsWritten:
    """Write what an instance has recorded since the last time to the folder it was started with."""
    from theoryctl.actions.recordings import collect

    return collect(require(ref, runtime))


def status(ref: ProviderRef | None, manifests: str | None) -> InstancesShown:
    """Find the instances and the state of each. Dead ones are listed once more, and forgotten."""
    rows = []
    for instance in _all():
        if ref is None or instance.ref == str(ref):
            runtime = started_runtime(instance.runtime)
            state = runtime.state(instance)
            rows.append(InstanceRow(instance, state, _drift(instance, manifests)))
            if state.name == "dead":
                runtime.stop(instance)
    return InstancesShown(tuple(rows))


def logs(
    ref: ProviderRef, runtime: str | None, *, follow: bool, tail: int | None, since: float | None
) -> Iterator[str]:
    """Log lines of a ref's instance: the last `tail`, those of the last `since` seconds, and with `follow` new ones."""
    import time
    from itertools import islice

    instance = require(ref, runtime)
    where = started_runtime(instance.runtime)
    old = list(where.log_lines(instance, follow=False))
    begin = float("-inf") if since is None else time.time() - since
    shown = old if tail is None else old[len(old) - min(tail, len(old)) :]
    yield from (line for line in shown if _time_of(line) >= begin)
    if follow:
        yield from islice(where.log_lines(instance, follow=True), len(old), None)


def url(ref: ProviderRef, runtime: str | None) -> UrlShown:
    """The URL of the instance."""
    return UrlShown(require(ref, runtime).url)


def env(ref: ProviderRef, runtime: str | None) -> EnvShown:
    """The variables that lead a program of ours, or any client of OpenAI, to the instance."""
    instance = require(ref, runtime)
    ours = {"THEORYCTL_URL": instance.url, "THEORYCTL_TOKEN": instance.token}
    return EnvShown({**ours, "OPENAI_BASE_URL": f"{instance.url}/v1", "OPENAI_API_KEY": instance.token})


def _all() -> list[Instance]:
    """Every instance, with a record or without."""
    found = list(records.all_instances())
    for name in STARTED:
        found += started_runtime(name).unrecorded(found)
    return found


def _drift(instance: Instance, manifests: str | None) -> str | None:
    """The change since the start: `digest` where the manifest pins another one, `manifest` for any other."""
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
