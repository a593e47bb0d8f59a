"""Started instances: start, stop, status, logs, and what other programs need to talk to one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from theoryctl import instances
from theoryctl.catalog import Catalog
from theoryctl.errors import NotRunning, StartFailed, UsageError
from theoryctl.instances import Instance
from theoryctl.manifest import Manifest
from theoryctl.manifest_cache import read_manifest
from theoryctl.paths import private_folder
from theoryctl.platforms import host_platform
from theoryctl.refs import ProviderRef
from theoryctl.results import EnvShown, InstanceRow, InstancesShown, Started, Stopped, UrlShown
from theoryctl.runtimes import EMBEDDED, STARTED, started_runtime
from theoryctl.runtimes.base import StartRequest
from theoryctl.secrets import read_secrets
from theoryctl_providers.contract import Limits, ProviderConfig, ServerConfig, resolve_mode, sha256

#: Seconds between two looks at a lock that another `start` holds.
_LOCK_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """What `start` was asked to do; `wait_timeout` is in seconds, `max_attachment` in bytes."""

    ref: ProviderRef
    runtime: str
    wait_timeout: float
    max_attachment: int
    mode: str | None = None
    env_file: str | None = None
    manifests: str | None = None


def start(options: StartOptions) -> Started:
    """Start an instance, or find the one that runs already. Raises StartFailed, and what a bad manifest raises."""
    runtime = started_runtime(known_runtime(options.runtime))
    found = Catalog(options.manifests).find(options.ref)
    manifest = found.load()
    secrets = read_secrets([secret.name for secret in manifest.secrets], options.env_file)
    request = StartRequest(
        ref=options.ref,
        server=ServerConfig(
            provider=_config(manifest, options, secrets),
            token=_token(),
            limits=Limits(attachment=options.max_attachment),
        ),
        manifest_digest=sha256(read_manifest(found.file)),
        wait_seconds=options.wait_timeout,
    )
    with _writable(options.ref), _alone(options.ref, options.runtime):
        running = instances.load(options.ref, options.runtime)
        if running is not None and runtime.state(running).healthy:
            return Started(running, already_running=True)
        if running is not None:
            runtime.stop(running)
        return Started(runtime.start(request), already_running=False)


def find(ref: ProviderRef, runtime: str | None) -> Instance | None:
    """The instance that `run` is to use; None where the run is embedded.

    Raises NotRunning when a runtime was named and nothing is started there, UsageError when two instances are.
    """
    if runtime == EMBEDDED:
        return None
    if runtime is not None:
        return require(ref, runtime)
    recorded = [found for name in STARTED if (found := instances.load(ref, name))]
    if len(recorded) > 1:
        names = " and ".join(instance.runtime for instance in recorded)
        raise UsageError(f"{ref} is started as {names}", hint=f"add --runtime {recorded[0].runtime}")
    return recorded[0] if recorded else None


def require(ref: ProviderRef, runtime: str | None) -> Instance:
    """The recorded instance of a ref. Raises NotRunning (`ERR_NOT_RUNNING`) with the command that starts one."""
    names = STARTED if runtime is None else (known_runtime(runtime),)
    for name in names:
        instance = instances.load(ref, name)
        if instance is not None and instance.url:
            return instance
    where = f" as {runtime}" if runtime else ""
    raise NotRunning(f"{ref} is not started{where}", hint=restart_command(ref, runtime or next(iter(STARTED))))


def restart_command(ref: ProviderRef | str, runtime: str) -> str:
    """What to type to have an instance again."""
    return f"theoryctl local start --ref {ref} --runtime {runtime}"


def known_runtime(name: str) -> str:
    """The name of a runtime that can be started. Raises UsageError."""
    if name not in STARTED:
        raise UsageError(f"--runtime {name!r} cannot be started", hint=f"choose {' or '.join(STARTED)}")
    return name


def stop(ref: ProviderRef | None, everything: bool) -> Stopped:
    """Stop the instances of a ref, or all. Raises UsageError for neither and for both, NotRunning for none."""
    if (ref is None) != everything:
        raise UsageError("stop wants --ref REF or --all, and one of them", hint="theoryctl local status")
    chosen = [instance for instance in instances.all_instances() if everything or instance.ref == str(ref)]
    if not chosen and ref is not None:
        raise NotRunning(f"{ref} is not started", hint="theoryctl local status")
    return Stopped(tuple((each, started_runtime(each.runtime).stop(each)) for each in chosen))


def status(ref: ProviderRef | None, manifests: str | None) -> InstancesShown:
    """How the recorded instances are. Records of dead ones are shown once more, and removed."""
    rows = []
    for instance in instances.all_instances():
        if ref is None or instance.ref == str(ref):
            state = started_runtime(instance.runtime).state(instance)
            rows.append(InstanceRow(instance, state, _is_drifted(instance, manifests)))
            if state.name == "dead":
                instances.remove(ProviderRef.parse(instance.ref), instance.runtime)
    return InstancesShown(tuple(rows))


def logs(ref: ProviderRef, *, follow: bool, tail: int | None, since: float | None) -> Iterator[str]:
    """Log lines of a ref's instance: the last `tail`, those of the last `since` seconds, and with `follow` new ones."""
    import time
    from collections import deque

    instance = require(ref, None)
    runtime = started_runtime(instance.runtime)
    old: Iterator[str] = iter(deque(runtime.log_lines(instance, follow=False), maxlen=tail))
    if since is not None:
        begin = time.time() - since
        old = (line for line in old if _time_of(line) >= begin)
    yield from old
    if follow:
        lines = runtime.log_lines(instance, follow=True)
        for _ in runtime.log_lines(instance, follow=False):
            next(lines)
        yield from lines


def url(ref: ProviderRef) -> UrlShown:
    """Where the instance listens."""
    return UrlShown(require(ref, None).url)


def env(ref: ProviderRef) -> EnvShown:
    """What another program needs to talk to the instance, as variables."""
    instance = require(ref, None)
    return EnvShown({"THEORYCTL_URL": instance.url, "THEORYCTL_TOKEN": instance.token})


def _config(manifest: Manifest, options: StartOptions, secrets: dict[str, str]) -> ProviderConfig:
    return ProviderConfig(
        provider=manifest.provider,
        ref=manifest.ref,
        runtime=options.runtime,
        mode=resolve_mode({}, options.mode),
        default_model=manifest.models.default,
        input_schema=manifest.inputs,
        secret_rules=manifest.secret_rules,
        secrets=secrets,
        timeout=manifest.resources.timeout,
        platform=host_platform(),
    )


def _token() -> str:
    from secrets import token_urlsafe

    return token_urlsafe(32)


@contextlib.contextmanager
def _alone(ref: ProviderRef, runtime: str) -> Iterator[None]:
    """Only one `start` of a ref and runtime at a time."""
    from filelock import FileLock, Timeout

    file = instances.record_file(ref, runtime).with_suffix(".lock")
    private_folder(file.parent)
    try:
        with FileLock(file, timeout=_LOCK_SECONDS):
            yield
    except Timeout:
        raise NotRunning(f"another start of {ref} does not come to an end", hint="theoryctl local status") from None


@contextlib.contextmanager
def _writable(ref: ProviderRef) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or "the state folder"
        raise StartFailed(
            f"{ref}: {where}: {error.strerror}", hint="free some space, or set THEORYCTL_STATE_DIR"
        ) from error


def _is_drifted(instance: Instance, manifests: str | None) -> bool:
    """Whether the manifest is another one than when the instance was started."""
    from theoryctl.errors import TheoryctlError

    try:
        found = Catalog(manifests).find(ProviderRef.parse(instance.ref))
        return sha256(read_manifest(found.file)) != instance.manifest_digest
    except TheoryctlError:
        return True


def _time_of(line: str) -> float:
    """When a JSON log line was written; other lines count as new."""
    import json

    try:
        return float(json.loads(line)["time"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
