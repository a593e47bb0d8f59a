"""Starting a provider that stays: everything is checked and fetched first, and one `start` works at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from theoryctl.errors import DigestDrift, NotRunning, StartFailed, UsageError
from theoryctl.images.choice import ImageWish, base_image
from theoryctl.instances import records
from theoryctl.instances.records import Instance
from theoryctl.manifests.cache import read_manifest
from theoryctl.manifests.catalog import Catalog, Found
from theoryctl.paths import file_lock
from theoryctl.progress import Progress
from theoryctl.refs import ProviderRef
from theoryctl.requests.mock_flags import MockFlags
from theoryctl.requests.result_folder import ResultFolder
from theoryctl.results.instances import Started
from theoryctl.runtimes.base import StartedRuntime, StartRequest
from theoryctl.runtimes.config import provider_config
from theoryctl.runtimes.find import known_runtime, restart_command, started_runtime
from theoryctl.secrets import new_token
from theoryctl_providers.contract import Limits, ServerConfig, resolve_mode, sha256

#: Seconds to wait for another `start` of the same, which may be building an image.
_LOCK_SECONDS = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """Options of a start; `wait_timeout` is in seconds, `max_attachment` in bytes.

    `oci`, `build`, `require_pin` and `base_image` choose the image, for runtimes that have one.
    """

    ref: ProviderRef
    runtime: str
    wait_timeout: float
    max_attachment: int
    mode: str | None = None
    env_file: str | None = None
    manifests: str | None = None
    oci: str | None = None
    build: bool = False
    require_pin: bool = False
    base_image: str | None = None
    mocks: MockFlags = field(default_factory=MockFlags)


def start(options: StartOptions, progress: Progress) -> Started:
    """Start an instance, or find the one that runs already.

    Raises StartFailed, DigestDrift where what runs is not what is asked for, what a bad manifest raises, and what
    choosing, pulling and building an image raise.
    """
    runtime = started_runtime(known_runtime(options.runtime))
    _check_flags(options, runtime)
    request = _request(options, Catalog(options.manifests).find(options.ref), progress)
    runtime.must_answer(options.ref)
    with _writable(options.ref), _alone(options.ref, options.runtime):
        running = records.load(options.ref, options.runtime)
        if running is not None and runtime.state(running).healthy and not options.build:
            _check_same(running, request, runtime, options)
            return Started(running, already_running=True)
        if running is not None:
            runtime.stop(running)
        with ResultFolder("--record", request.record) if request.record else contextlib.nullcontext():
            return Started(runtime.start(request), already_running=False)


def _check_flags(options: StartOptions, runtime: StartedRuntime) -> None:
    flags = {
        "--oci": options.oci,
        "--build": options.build,
        "--require-pin": options.require_pin,
        "--base-image": options.base_image,
    }
    given = [name for name, value in flags.items() if value]
    if given and not runtime.has_image:
        raise UsageError(f"{given[0]}: the {runtime.name} runtime runs no image", hint="leave it out, or use docker")


def _check_same(running: Instance, request: StartRequest, runtime: StartedRuntime, options: StartOptions) -> None:
    """Refuse to pass off what runs as what was asked for."""
    again = f"theoryctl local stop --ref {running.ref} && {restart_command(running.ref, running.runtime)}"
    if difference := runtime.differs(running, request):
        raise DigestDrift(f"{running.ref} is running already, but {difference}", hint=again)
    if options.mode is not None and options.mode != running.mode:
        message = f"{running.ref} is running already, in {running.mode} mode"
        raise UsageError(message, hint=f"{again} --mode {options.mode}")
    _check_mocks(running, request, options.mocks, again)


def _check_mocks(running: Instance, request: StartRequest, flags: MockFlags, again: str) -> None:
    for flag, value in flags.given().items():
        same = running.record == request.record if flag == "--record" else running.answers == request.answers
        if not same:
            raise UsageError(f"{running.ref} is running already, with another {flag}", hint=f"{again} {flag} {value}")


def _request(options: StartOptions, found: Found, progress: Progress) -> StartRequest:
    manifest = found.load()
    record = options.mocks.record
    return StartRequest(
        ref=options.ref,
        server=ServerConfig(
            provider=provider_config(
                manifest,
                runtime=options.runtime,
                mode=resolve_mode({}, options.mode),
                mocks=options.mocks,
                env_file=options.env_file,
                with_secrets=True,
            ),
            token=new_token(),
            limits=Limits(attachment=options.max_attachment),
        ),
        manifest_digest=sha256(read_manifest(found.file)),
        image=ImageWish(
            ref=options.ref,
            image=manifest.image,
            root=found.root,
            oci=options.oci,
            build=options.build,
            anew=options.build,
            require_pin=options.require_pin,
            base=base_image(options.base_image),
        ),
        resources=manifest.resources,
        wait_seconds=options.wait_timeout,
        progress=progress,
        record=record and os.path.abspath(record),
    )


@contextlib.contextmanager
def _alone(ref: ProviderRef, runtime: str) -> Iterator[None]:
    """Only one `start` of a ref and runtime at a time."""
    from filelock import Timeout

    try:
        with file_lock(records.record_file(ref, runtime).with_suffix(".lock"), seconds=_LOCK_SECONDS):
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
